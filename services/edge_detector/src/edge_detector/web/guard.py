"""ASGI middleware: nothing answers without the token, and browsers are told what they may load."""

import math
from dataclasses import dataclass

import structlog
from maskwatch_runtime.clock import Clock
from starlette.datastructures import Headers, MutableHeaders
from starlette.requests import HTTPConnection
from starlette.responses import RedirectResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from edge_detector.web import access, problems
from edge_detector.web.access import Attempts, Sessions, Token
from edge_detector.web.problems import Problem

LOGIN = "/login"
_WITHOUT_TOKEN = frozenset({LOGIN, "/static/style.css", "/static/icon.svg"})
_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' blob: data:; "
    "connect-src 'self'; media-src 'self' blob:; base-uri 'none'; form-action 'self'; "
    "frame-ancestors 'none'"
)
_HEADERS = {
    "Content-Security-Policy": _POLICY,
    "X-Content-Type-Options": "nosniff",
    # Not "no-referrer": browsers would send the login form with "Origin: null".
    "Referrer-Policy": "same-origin",
    "Permissions-Policy": "camera=(self), microphone=(), geolocation=()",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cache-Control": "no-store",
}
_log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Keys:
    """What opens the door.

    Attributes:
        token: None: everybody on this machine may come in.
    """

    token: Token | None
    sessions: Sessions
    attempts: Attempts
    clock: Clock

    def check(self, given: str, address: str) -> None:
        """Return when the token is right.

        Raises:
            Problem: 401 it is wrong; 429 the address has guessed too often: it was not looked at.
        """
        now_s = self.clock.monotonic_s()
        if wait_s := self.attempts.wait_s(address, now_s=now_s):
            raise problems.too_many("too many wrong tokens", retry_after_s=math.ceil(wait_s))
        if self.token is None or self.token.is_same(given):
            return
        self.attempts.failed(address, now_s=now_s)
        _log.warning("wrong token", action="refuse", address=address)
        raise _unknown()

    def may_stay(self, connection: HTTPConnection) -> bool:
        """Return whether a web socket that was let in may go on: its session may have ended."""
        if self.token is None or access.token_of(connection.headers) is not None:
            return True
        cookie = connection.cookies.get(access.COOKIE, "")
        return self.sessions.is_live(cookie, now_s=self.clock.monotonic_s())


class Guard:
    """Lets through whoever shows the token or a session, and nobody from another site."""

    def __init__(self, app: ASGIApp, *, keys: Keys) -> None:
        self._app = app
        self._keys = keys

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request or web socket."""
        try:
            self._check(HTTPConnection(scope))
        except Problem as problem:
            if scope["type"] == "websocket":
                # Before it is accepted, this is the answer 403.
                await send({"type": "websocket.close", "code": 1008, "reason": problem.detail})
                return
            answer = _login_or(problem, scope)
            await answer(scope, receive, send)
            return
        await self._app(scope, receive, send)

    def _check(self, connection: HTTPConnection) -> None:
        headers, keys = connection.headers, self._keys
        if keys.token is None:
            if not access.is_this_machine(headers):
                raise Problem(403, "without a token, only http://localhost is answered")
            _check_site(headers)
            return
        if connection.url.path in _WITHOUT_TOKEN:
            _check_site(headers)
            return
        if (shown := access.token_of(headers)) is not None:
            scheme, given = shown
            keys.check(given, address_of(connection))
            if scheme != "bearer":
                _check_site(headers)
            return
        if not keys.may_stay(connection):
            raise _unknown()
        _check_site(headers)


class SafeHeaders:
    """Adds the headers that keep a browser from loading, framing or sending anything else."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""

        async def send_with(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name, value in _HEADERS.items():
                    headers.setdefault(name, value)
            await send(message)

        await self._app(scope, receive, send_with)


def address_of(connection: HTTPConnection) -> str:
    """Return the address that guesses are counted by."""
    return connection.client.host if connection.client else "unknown"


def _check_site(headers: Headers) -> None:
    if not access.is_same_site(headers):
        raise Problem(403, "the request comes from another site's page")


def _unknown() -> Problem:
    return Problem(
        401,
        "send the header Authorization: Bearer <MASKWATCH_WEB_TOKEN>",
        headers={"WWW-Authenticate": 'Bearer realm="maskwatch"'},
    )


def _login_or(problem: Problem, scope: Scope) -> Response:
    """Return the way to the login for a person who opens the page, the refusal for all others."""
    if problem.status == 401 and scope["method"] == "GET" and scope["path"] == "/":
        return RedirectResponse(LOGIN, 303)
    return problem.response()
