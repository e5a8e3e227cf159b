"""How much of a body is read, and that a client who still sends gets to hear why it was refused."""

import asyncio
from contextlib import suppress

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from edge_detector.web.problems import Problem

# A connection closed while its client sends is reset, and the answer lost with it (RFC 9112, 9.6).
_LINGER_S = 30.0
_SILENCE_S = 10.0


class BodyLimit:
    """ASGI middleware: no body above `size_bytes_max` gets past it, declared or not.

    What a refused client goes on sending is read and thrown away, as long as it comes and for at
    most half a minute.
    """

    def __init__(self, app: ASGIApp, *, size_bytes_max: int) -> None:
        self._app = app
        self._size_bytes_max = size_bytes_max

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        body = _Body(Headers(scope=scope), receive, send, size_bytes_max=self._size_bytes_max)
        if body.declared_bytes > self._size_bytes_max:
            await body.too_large.response()(scope, body.receive, body.send)
        else:
            await self._app(scope, body.receive, body.send)


class _Body:
    def __init__(
        self, headers: Headers, receive: Receive, send: Send, *, size_bytes_max: int
    ) -> None:
        declared = headers.get("content-length", "")
        self.declared_bytes = int(declared) if declared.isdecimal() else 0
        self.too_large = Problem(413, f"the body may have at most {size_bytes_max} bytes")
        self._is_read = not self.declared_bytes and "transfer-encoding" not in headers
        self._receive = receive
        self._send = send
        self._size_bytes_max = size_bytes_max
        self._read_bytes = 0

    async def receive(self) -> Message:
        message = await self._receive()
        self._note(message)
        if self._read_bytes > self._size_bytes_max:
            raise self.too_large
        return message

    async def send(self, message: Message) -> None:
        is_last = message["type"] == "http.response.body" and not message.get("more_body")
        if not is_last or self._is_read:
            await self._send(message)
            return
        await self._send({**message, "more_body": True})
        with suppress(TimeoutError):
            async with asyncio.timeout(_LINGER_S):
                while not self._is_read:
                    self._note(await asyncio.wait_for(self._receive(), _SILENCE_S))
        await self._send({"type": "http.response.body", "body": b""})

    def _note(self, message: Message) -> None:
        self._read_bytes += len(message.get("body", b""))
        if message["type"] == "http.disconnect" or not message.get("more_body"):
            self._is_read = True
