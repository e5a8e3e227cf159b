"""The port for operators: /health/live, /health/ready and /metrics."""

import asyncio
import os
import socket

import structlog
import uvicorn
from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, generate_latest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from maskwatch_runtime import supervision
from maskwatch_runtime.errors import Misconfigured
from maskwatch_runtime.health import Health

_log = structlog.get_logger()


def application(health: Health, registry: CollectorRegistry) -> Starlette:
    """Return the ASGI application; 503 says not live or not ready, with the reasons.

    What is degraded is told beside, and is no reason to send the service no work.
    """

    async def live(_: Request) -> JSONResponse:
        stalled = health.not_live()
        return JSONResponse({"live": not stalled, "stalled": stalled}, 503 if stalled else 200)

    async def ready(_: Request) -> JSONResponse:
        missing = health.not_ready()
        said: dict[str, object] = {"ready": not missing, "missing": missing}
        if degraded := health.degradations():
            said["degraded"] = degraded
        return JSONResponse(said, 503 if missing else 200)

    async def metrics(_: Request) -> Response:
        return Response(generate_latest(registry), media_type=CONTENT_TYPE_LATEST)

    made = Starlette(
        routes=[
            Route("/health/live", live),
            Route("/health/ready", ready),
            Route("/metrics", metrics),
        ]
    )
    made.state.health = health
    return made


class Server(uvicorn.Server):
    """Uvicorn without its own signal handlers: the service's lifecycle decides when it ends."""

    def install_signal_handlers(self) -> None:
        """Leave the signals alone."""

    def capture_signals(self) -> "_Untouched":  # type: ignore[override]
        return _Untouched()


class _Untouched:
    def __enter__(self) -> None: ...

    def __exit__(self, *_: object) -> None: ...


def listen(host: str, port: int) -> socket.socket:
    """Return a listening TCP socket; 0 picks a free port.

    Raises:
        OSError: The port is taken or may not be used.
    """
    listener = socket.create_server((host, port))
    # Accepted connections inherit it. asyncio sets it only on sockets that it has made itself, and
    # without it the body of an answer waits 40 ms until the client has acknowledged the head.
    listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return listener


async def serve(app: Starlette, *, host: str, port: int, stop: asyncio.Event) -> None:
    """Serve until `stop` is set; logs the address, which tells the port when 0 was asked for.

    systemd, where it is there, is told the same of the service's health.

    Raises:
        Misconfigured: The port is taken or may not be used.
    """
    try:
        listener = listen(host, port)
    except OSError as error:
        raise Misconfigured(f"cannot listen on {host}:{port}: {error}") from error
    config = uvicorn.Config(
        app, log_config=None, access_log=False, lifespan="off", timeout_graceful_shutdown=1
    )
    server = Server(config)
    _log.info("listening", action="listen", host=host, port=listener.getsockname()[1])
    serving = asyncio.create_task(server.serve(sockets=[listener]))
    try:
        await supervision.report(app.state.health, environ=os.environ, stop=stop)
        await stop.wait()
    finally:
        server.should_exit = True
        await serving
        listener.close()
