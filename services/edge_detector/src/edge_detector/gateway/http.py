"""The way in by HTTP: JSON at /v1/results, and the header style that boards in the wild use.

Header style: `device` names the board, `topic` is `connect` or `result`, `data` is a JSON list of
labels and values, by GET or POST on any of `/` and `/v1/results`.
"""

import asyncio
import hmac
import ssl
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import structlog
import uvicorn
from maskwatch_runtime.admin import Server, listen
from maskwatch_runtime.errors import Misconfigured
from starlette.applications import Starlette
from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse
from starlette.routing import Route

from edge_detector.gateway import limits
from edge_detector.gateway.intake import Flood
from edge_detector.gateway.limits import Bucket, Rate
from edge_detector.gateway.metrics import GatewayMetrics
from edge_detector.gateway.reception import Reception, Way
from edge_detector.gateway.results import InvalidResult, Reason

_WAY = Way("http")
_BODY_TIMEOUT_S = 10.0
# The disk is given this long; what is not durable by then is answered 202 and kept in memory.
_STORE_TIMEOUT_S = 5.0
_CONNECTIONS_MAX = 256
_STATUS = {Reason.UNKNOWN_BOARD: 403, Reason.TOO_LARGE: 413, Reason.FLOOD: 429}
# A guessed token costs an attacker a second of this; boards have theirs right.
_STRANGERS = Rate(per_s=5.0, burst=20.0)

_log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Address:
    """Where to listen; with TLS when both files are there."""

    host: str
    port: int
    cert: Path | None = None
    key: Path | None = None


class Api:
    """The routes.

    Args:
        reception: Takes the results.
        token: What `Authorization: Bearer` or the header `token` has to say; never empty.
        metrics: Counts requests without it.
    """

    def __init__(self, reception: Reception, *, token: str, metrics: GatewayMetrics) -> None:
        if not token:
            raise ValueError("an empty token would let everybody in")
        self._reception = reception
        self._token = token.encode()
        self._metrics = metrics
        self._strangers: Bucket | None = None

    def application(self) -> Starlette:
        """Return the ASGI application."""
        methods = ["GET", "POST"]
        return Starlette(
            routes=[
                Route("/v1/results", self._answer, methods=methods),
                Route("/", self._answer, methods=methods),
            ]
        )

    async def _answer(self, request: Request) -> JSONResponse:
        if not self._is_known(request):
            return self._unauthorised()
        board = request.headers.get("device")
        try:
            if request.headers.get("topic") == "connect":
                self._reception.connect(board or "", way=_WAY)
                return JSONResponse({"outcome": "connected"})
            return await self._result(request, board)
        except Flood as error:
            return _refusal(error, {"Retry-After": str(max(1, round(error.wait_s)))})
        except InvalidResult as error:
            return _refusal(error, {})
        except (TimeoutError, ClientDisconnect):
            return JSONResponse({"error": "the message did not arrive in time"}, 408)

    async def _result(self, request: Request, board: str | None) -> JSONResponse:
        if self._reception.is_full:
            told = {"error": "the disk is behind: send it again later"}
            return JSONResponse(told, 503, {"Retry-After": "5"})
        payload = await self._payload(request)
        received = self._reception.receive(payload, board=board, way=_WAY)
        outcome = "accepted" if received.is_new else "duplicate"
        try:
            async with asyncio.timeout(_STORE_TIMEOUT_S):
                await received.durable()
        except TimeoutError:
            return JSONResponse({"outcome": outcome, "stored": False}, 202)
        return JSONResponse({"outcome": outcome, "stored": True})

    async def _payload(self, request: Request) -> bytes:
        """Return the message: the header `data` where there is one, else the body."""
        data = request.headers.get("data")
        if data is not None:
            return data.encode("latin-1")
        if request.method == "GET":
            told = "GET needs the header data, a JSON list of label and value"
            error = InvalidResult(Reason.MALFORMED, told)
            self._reception.refused(error, way=_WAY, board=None)
            raise error
        return await self._body(request)

    async def _body(self, request: Request) -> bytes:
        """Return the body; it is not read further than it may be long."""
        size_max = self._reception.limits.message_bytes_max
        body = bytearray()
        async with asyncio.timeout(_BODY_TIMEOUT_S):
            async for chunk in request.stream():
                body += chunk
                if len(body) > size_max:
                    told = f"the body has more than {size_max} bytes"
                    error = InvalidResult(Reason.TOO_LARGE, told)
                    self._reception.refused(error, way=_WAY, board=None)
                    raise error
        return bytes(body)

    def _is_known(self, request: Request) -> bool:
        told = request.headers.get("token")
        kind, _, credentials = request.headers.get("authorization", "").partition(" ")
        if told is None and kind.lower() == "bearer":
            told = credentials.strip()
        return hmac.compare_digest((told or "").encode(), self._token)

    def _unauthorised(self) -> JSONResponse:
        self._metrics.unauthorised.inc()
        now = datetime.now(UTC)
        self._strangers, wait_s = limits.take(self._strangers, _STRANGERS, now)
        if wait_s:
            return JSONResponse({"error": "too many requests"}, 429, {"Retry-After": "1"})
        told = "send Authorization: Bearer <token>, or the header token"
        return JSONResponse({"error": told}, 401, {"WWW-Authenticate": "Bearer"})


async def serve(app: Starlette, address: Address, *, stop: asyncio.Event) -> None:
    """Serve until `stop` is set; logs the port, which tells it when 0 was asked for.

    Raises:
        Misconfigured: The port is taken, or a certificate cannot be read.
    """
    try:
        listener = listen(address.host, address.port)
    except OSError as error:
        told = f"MASKWATCH_GATEWAY_PORT: cannot listen on {address.host}:{address.port}: {error}"
        raise Misconfigured(told) from error
    config = uvicorn.Config(
        app,
        log_config=None,
        access_log=False,
        lifespan="off",
        ssl_certfile=address.cert,
        ssl_keyfile=address.key,
        limit_concurrency=_CONNECTIONS_MAX,
        timeout_keep_alive=15,
        timeout_graceful_shutdown=1,
        h11_max_incomplete_event_size=16_384,
    )
    try:
        config.load()
    except (OSError, ssl.SSLError) as error:
        listener.close()
        raise Misconfigured(f"MASKWATCH_GATEWAY_CERT_FILE, _KEY_FILE: {error}") from error
    server = Server(config)
    port = listener.getsockname()[1]
    _log.info("boards may post", action="listen_http", host=address.host, port=port)
    serving = asyncio.create_task(server.serve(sockets=[listener]))
    try:
        await stop.wait()
    finally:
        server.should_exit = True
        await serving
        listener.close()


def _refusal(error: InvalidResult, headers: dict[str, str]) -> JSONResponse:
    status = _STATUS.get(error.reason, 400)
    return JSONResponse({"error": str(error), "reason": error.reason}, status, headers)
