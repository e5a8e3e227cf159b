"""The live page's routes: its files, its login, its buttons, the pictures of its episodes."""

from importlib import resources
from pathlib import Path
from string import Template
from typing import Protocol
from urllib.parse import parse_qs

from fastapi import APIRouter, Request
from starlette.concurrency import run_in_threadpool
from starlette.responses import FileResponse, HTMLResponse, RedirectResponse, Response
from starlette.websockets import WebSocket

from edge_detector.web import access, bodies, guard, live
from edge_detector.web.guard import Keys
from edge_detector.web.live import Show
from edge_detector.web.problems import Problem

STATIC = Path(str(resources.files("edge_detector.web"))) / "static"
_FORM_BYTES_MAX = 4096
_NOTES = {
    401: "This token is wrong.",
    429: "Too many wrong tokens. Wait {wait_s} seconds, then try again.",
}


class Controls(Protocol):
    """What the page's buttons do; the stations implement it, the fake is in the tests.

    The methods are called from worker threads and raise LookupError for a camera that there is not.
    """

    def start(self, camera: str) -> None:
        """Let a camera that was stopped begin again."""
        ...

    def stop(self, camera: str) -> None:
        """Let a camera rest until it is started."""
        ...


def router(show: Show, controls: Controls | None) -> APIRouter:
    """Return the page's routes; none of them stands in the OpenAPI text."""
    routes = APIRouter(include_in_schema=False)

    @routes.get("/")
    def page() -> FileResponse:
        return FileResponse(STATIC / "index.html")

    @routes.get("/live/session")
    def session() -> Response:
        return Response(status_code=204)

    @routes.websocket("/live/socket")
    async def socket(socket: WebSocket) -> None:
        await live.watch(socket, show)

    @routes.get("/live/episodes/{episode_id}.jpg")
    def thumbnail(episode_id: str) -> Response:
        jpeg = show.board.thumbnail(episode_id)
        if not jpeg:
            raise Problem(404, "there is no picture of this episode")
        return Response(jpeg, media_type="image/jpeg")

    @routes.post("/live/cameras/{camera}/{action}")
    async def control(camera: str, action: str) -> Response:
        if controls is None or action not in ("start", "stop"):
            raise Problem(404, "cameras are started and stopped elsewhere")
        act = controls.start if action == "start" else controls.stop
        try:
            await run_in_threadpool(act, camera)
        except LookupError:
            raise Problem(404, "there is no such camera") from None
        return Response(status_code=204)

    _add_login(routes, show.keys)
    return routes


def _add_login(routes: APIRouter, keys: Keys) -> None:
    @routes.get(guard.LOGIN)
    def form() -> Response:
        if keys.token is None:
            return RedirectResponse("/", 303)
        return _form()

    @routes.post(guard.LOGIN)
    async def login(request: Request) -> Response:
        given = await _field(request, "token")
        try:
            keys.check(given, guard.address_of(request))
        except Problem as problem:
            return _form(problem)
        answer = RedirectResponse("/", 303)
        answer.set_cookie(
            access.COOKIE,
            keys.sessions.begin(now_s=keys.clock.monotonic_s()),
            max_age=int(keys.sessions.lifetime_s),
            httponly=True,
            samesite="strict",
            secure=request.url.scheme == "https",
        )
        return answer

    @routes.post("/logout")
    def logout(request: Request) -> Response:
        keys.sessions.end(request.cookies.get(access.COOKIE, ""))
        answer = RedirectResponse(guard.LOGIN, 303)
        answer.delete_cookie(access.COOKIE)
        return answer


def _form(refusal: Problem | None = None) -> Response:
    """Return the login, and in it why the last token was refused."""
    if refusal is None:
        note, status, headers = "", 200, {}
    else:
        note, status, headers = _NOTES[refusal.status], refusal.status, refusal.headers
        note = note.format(wait_s=headers.get("Retry-After"))
    form = Template((STATIC / "login.html").read_text(encoding="utf-8"))
    return HTMLResponse(form.substitute(note=note), status, headers)


async def _field(request: Request, name: str) -> str:
    declared = request.headers.get("content-length", "")
    if not declared.isdecimal() or int(declared) > _FORM_BYTES_MAX:
        raise Problem(413, "the form is too large")
    body = await bodies.read(request, timeout_s=10)
    sent = parse_qs(body.decode("utf-8", "replace"), max_num_fields=10)
    return sent.get(name, [""])[0]
