"""The web side: a page for a person and a JSON API for tests, over one store of mails."""

from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from importlib import resources
from typing import Any

from pydantic import BaseModel, ValidationError
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.middleware.trustedhost import TrustedHostMiddleware
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from devstack.inbox import mail
from devstack.inbox.client import Message, MessageDetail, MessageList, Part, Summary
from devstack.inbox.faults import FaultPlan, Faults
from devstack.inbox.store import Envelope, Store

_PAGE_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; "
    "connect-src 'self'; frame-src 'self'; base-uri 'none'; form-action 'none'; "
    "frame-ancestors 'none'"
)
# A mail may show the pictures that it carries and nothing else: no script, no request anywhere.
_MAIL_POLICY = (
    "default-src 'none'; img-src data:; style-src 'unsafe-inline'; font-src data:; "
    "form-action 'none'; frame-ancestors 'self'; "
    "sandbox allow-same-origin allow-popups allow-popups-to-escape-sandbox"
)
_FILE_POLICY = "default-src 'none'; sandbox"
_STATIC_TYPES = {"html": "text/html", "css": "text/css", "js": "text/javascript"}
_PICTURE_TYPES = {"image/jpeg", "image/png", "image/gif", "image/webp"}
_DEFAULT_LIMIT = 200

Endpoint = Callable[[Request], Awaitable[Response]]


def application(store: Store, plan: FaultPlan, *, smtp_address: str) -> Starlette:
    """The page and its API; the address is shown to people who wonder where to send."""
    pages = _Pages(store, plan, smtp_address)
    routes = [
        Route("/", _static("index.html")),
        Route("/inbox.css", _static("inbox.css")),
        Route("/inbox.js", _static("inbox.js")),
        Route("/messages/{number:int}/html", pages.html),
        Route("/api/summary", pages.summary),
        Route("/api/messages", pages.messages),
        Route("/api/messages", pages.clear, methods=["DELETE"]),
        Route("/api/messages/{number:int}", pages.message),
        Route("/api/messages/{number:int}/raw", pages.raw),
        Route("/api/messages/{number:int}/parts/{index:int}", pages.part),
        Route("/api/faults", pages.faults),
        Route("/api/faults", pages.change_faults, methods=["PUT"]),
    ]
    # A page elsewhere must not read the mails through a name of its own (DNS rebinding).
    hosts = Middleware(TrustedHostMiddleware, allowed_hosts=["127.0.0.1", "localhost"])
    return Starlette(routes=routes, middleware=[hosts])


def _static(name: str) -> Endpoint:
    async def endpoint(_request: Request) -> Response:
        body = resources.files("devstack.inbox").joinpath("static", name).read_bytes()
        media_type = _STATIC_TYPES[name.rpartition(".")[2]]
        return Response(body, media_type=media_type, headers=_headers(_PAGE_POLICY))

    return endpoint


class _Pages:
    def __init__(self, store: Store, plan: FaultPlan, smtp_address: str) -> None:
        self._store = store
        self._plan = plan
        self._smtp_address = smtp_address

    async def summary(self, _request: Request) -> Response:
        summary = Summary(
            total=len(self._store),
            newest_id=self._store.last_number,
            by_recipient=self._store.by_recipient,
            smtp_address=self._smtp_address,
        )
        return _json(summary)

    async def messages(self, request: Request) -> Response:
        """Newest first; ``to`` keeps one recipient's, ``before`` what came before the mail of an
        id, ``limit`` bounds the list (0: all).
        """  # noqa: D205 - one sentence
        recipient = request.query_params.get("to")
        before = _number(request, "before", self._store.last_number + 1)
        found = [
            each
            for each in self._store.newest_first()
            if each.number < before and (recipient is None or recipient in each.rcpt_to)
        ]
        limit = _number(request, "limit", _DEFAULT_LIMIT) or len(found)
        shown = [self._message(envelope) for envelope in found[:limit]]
        return _json(MessageList(total=len(found), messages=shown))

    async def clear(self, _request: Request) -> Response:
        self._store.clear()
        return Response(status_code=204)

    async def message(self, request: Request) -> Response:
        envelope = self._envelope(request)
        content = self._store.content(envelope.number)
        detail = MessageDetail(
            **self._message(envelope).model_dump(),
            headers=list(content.headers),
            text=content.text,
            html=content.html,
            parts=[_part(envelope.number, index, part) for index, part in enumerate(content.parts)],
        )
        return _json(detail)

    async def html(self, request: Request) -> Response:
        """The mail's HTML with its own pictures in it, for the page's sandboxed frame."""
        content = self._store.content(self._envelope(request).number)
        if content.html is None:
            raise HTTPException(404, "this mail has no HTML part")
        body = mail.opening_links_outside(mail.inline(content.html, content.parts))
        return Response(body, media_type="text/html", headers=_headers(_MAIL_POLICY))

    async def raw(self, request: Request) -> Response:
        body = self._store.path(self._envelope(request).number).read_bytes()
        return Response(body, media_type="text/plain", headers=_headers(_FILE_POLICY))

    async def part(self, request: Request) -> Response:
        """One part's bytes: a picture as such, anything else only as a file to save."""
        content = self._store.content(self._envelope(request).number)
        index = request.path_params["index"]
        if index >= len(content.parts):
            raise HTTPException(404, "this mail has no such part")
        part = content.parts[index]
        if part.content_type in _PICTURE_TYPES:
            headers = _headers(_FILE_POLICY)
            return Response(part.data, media_type=part.content_type, headers=headers)
        headers = _headers(_FILE_POLICY) | {"Content-Disposition": "attachment"}
        return Response(part.data, media_type="application/octet-stream", headers=headers)

    async def faults(self, _request: Request) -> Response:
        return _json(self._plan.settings)

    async def change_faults(self, request: Request) -> Response:
        try:
            self._plan.change(Faults.model_validate_json(await request.body()))
        except ValidationError as error:
            raise HTTPException(422, str(error)) from None
        return _json(self._plan.settings)

    def _envelope(self, request: Request) -> Envelope:
        envelope = self._store.get(request.path_params["number"])
        if envelope is None:
            raise HTTPException(404, "no such mail")
        return envelope

    def _message(self, envelope: Envelope) -> Message:
        headers = self._store.headers(envelope.number)
        return Message(
            id=envelope.number,
            received_at=datetime.fromtimestamp(envelope.received_at, UTC),
            mail_from=envelope.mail_from,
            rcpt_to=envelope.rcpt_to,
            size_bytes=envelope.size_bytes,
            subject=headers.subject,
            sender=headers.sender,
            to=headers.to,
            date=headers.date,
            message_id=headers.message_id,
        )


def _part(number: int, index: int, part: mail.Part) -> Part:
    return Part(
        content_type=part.content_type,
        filename=part.filename,
        content_id=part.content_id,
        disposition=part.disposition,
        size_bytes=len(part.data),
        url=f"/api/messages/{number}/parts/{index}",
    )


def _number(request: Request, name: str, default: int) -> int:
    wanted = request.query_params.get(name, str(default))
    if not wanted.isdecimal():
        raise HTTPException(422, f"{name} must be a whole number")
    return int(wanted)


def _json(model: BaseModel) -> Response:
    body: dict[str, Any] = model.model_dump(mode="json")
    return JSONResponse(body, headers=_headers(_FILE_POLICY))


def _headers(policy: str) -> dict[str, str]:
    return {
        "Content-Security-Policy": policy,
        "X-Content-Type-Options": "nosniff",
        "Referrer-Policy": "no-referrer",
        "Cache-Control": "no-store",
    }
