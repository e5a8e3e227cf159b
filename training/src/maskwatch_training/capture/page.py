"""The browser page: static files and a JSON API under a secret path, on one desk."""

from __future__ import annotations

import secrets
import socket
from collections.abc import Awaitable, Callable
from importlib import resources
from typing import Annotated

import uvicorn
from fastapi import APIRouter, Depends, FastAPI, HTTPException, Request, Response
from fastapi.responses import JSONResponse
from starlette.middleware.trustedhost import TrustedHostMiddleware

from maskwatch_training.capture import keys, wire
from maskwatch_training.capture.counter import Counter, UnknownPicture
from maskwatch_training.capture.desk import Desk, StaleFrame

_HEADERS = {
    "Content-Security-Policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; "
        "connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    ),
    "Permissions-Policy": "camera=(self), microphone=(), geolocation=()",
    # The path holds the secret: it must not travel on with a link.
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "Cache-Control": "no-store",
}
_STATIC = {
    "": ("index.html", "text/html"),
    "capture.css": ("capture.css", "text/css"),
    "icon.svg": ("icon.svg", "image/svg+xml"),
} | {name: (name, "text/javascript") for name in ("capture.js", "stage.js", "desk.js", "camera.js")}
_PICTURE_BYTES_MAX = 16 * 1024 * 1024
_LOOPBACK = ("127.0.0.1", "localhost")


class PageNotServed(ValueError):  # noqa: N818 - named for what is wrong, as all our errors are
    """The address cannot be listened on; the message names it."""


class Page:
    """Serves a desk on a port of its own until the person ends it.

    Args:
        desk: What is served.
        host: Address to listen on; beyond this machine a browser lends no camera without TLS.
        port: 0 takes any that is free.

    Raises:
        PageNotServed: The port is taken or the address is none of this machine.
    """

    def __init__(self, desk: Desk, *, host: str, port: int) -> None:
        try:
            self._socket = socket.create_server((host, port))
        except OSError as error:
            raise PageNotServed(f"--host, --port: {host}:{port}: {error.strerror}") from error
        token = secrets.token_urlsafe(16)
        # A page elsewhere must not reach this one through a name of its own (DNS rebinding).
        hosts = list(_LOOPBACK) if host in _LOOPBACK else ["*"]
        app = application(Counter(desk), token=token, hosts=hosts, on_quit=self.stop)
        config = uvicorn.Config(app, log_level="warning", access_log=False)
        self._server = uvicorn.Server(config)
        self.url = f"http://{host}:{self._socket.getsockname()[1]}/{token}/"

    def run(self) -> None:
        """Serve until `stop`, the page's button, or Ctrl-C, which is how one ends it here."""
        try:
            self._server.run(sockets=[self._socket])
        except KeyboardInterrupt:
            return
        finally:
            self._socket.close()

    def stop(self) -> None:
        """Let `run` return once the requests in hand are answered."""
        self._server.should_exit = True


def application(
    counter: Counter, *, token: str, hosts: list[str], on_quit: Callable[[], None]
) -> FastAPI:
    """Build the page and its API; everything lies below `/<token>/`."""
    app = FastAPI(docs_url=None, redoc_url=None, openapi_url=None)
    app.add_middleware(TrustedHostMiddleware, allowed_hosts=hosts)
    app.middleware("http")(_with_headers)
    app.add_exception_handler(StaleFrame, _answer(409))
    app.add_exception_handler(UnknownPicture, _answer(404))
    app.include_router(_static(), prefix=f"/{token}")
    app.include_router(_api(counter, on_quit), prefix=f"/{token}/api")
    return app


def _static() -> APIRouter:
    router = APIRouter()
    files = resources.files("maskwatch_training.capture").joinpath("static")

    @router.get("/{name}")
    def static(name: str) -> Response:
        if name not in _STATIC:
            raise HTTPException(404)
        file, media_type = _STATIC[name]
        return Response(files.joinpath(file).read_bytes(), media_type=media_type)

    router.add_api_route("/", lambda: static(""))
    return router


def _api(counter: Counter, on_quit: Callable[[], None]) -> APIRouter:
    router = APIRouter()
    router.add_api_route("/state", counter.look, response_model=wire.State)

    @router.post("/steps")
    def step(step: wire.Step) -> wire.State:
        if isinstance(step, wire.KeyPressed) and step.key not in keys.DEEDS:
            raise HTTPException(422, f"key: {step.key!r} means nothing")
        return counter.step(step)

    @router.post("/source")
    def source(chosen: wire.SourceChosen) -> wire.State:
        return counter.choose(chosen.name)

    @router.post("/person")
    def person(person: wire.PersonNamed) -> wire.State:
        return counter.name_person(person.name)

    @router.post("/frames")
    def offer(encoded: Annotated[bytes, Depends(_body)]) -> wire.State:
        return counter.offer(encoded)

    @router.get("/frames/{number}")
    def frame(number: int) -> Response:
        return Response(counter.frame(number), media_type="image/jpeg")

    @router.get("/pictures/{stem}")
    def thumbnail(stem: str) -> Response:
        return Response(counter.thumbnail(stem), media_type="image/jpeg")

    @router.delete("/pictures/{stem}")
    def delete(stem: str) -> wire.State:
        return counter.delete(stem)

    @router.post("/quit", status_code=204)
    def end() -> None:
        on_quit()

    return router


async def _body(request: Request) -> bytes:
    body = bytearray()
    async for part in request.stream():
        body += part
        if len(body) > _PICTURE_BYTES_MAX:
            raise HTTPException(413, f"a picture has at most {_PICTURE_BYTES_MAX} bytes")
    return bytes(body)


async def _with_headers(
    request: Request, call_next: Callable[[Request], Awaitable[Response]]
) -> Response:
    response = await call_next(request)
    response.headers.update(_HEADERS)
    return response


def _answer(status: int) -> Callable[[Request, Exception], Awaitable[Response]]:
    async def answer(_request: Request, error: Exception) -> Response:
        return JSONResponse({"detail": str(error)}, status_code=status)

    return answer
