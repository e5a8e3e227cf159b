"""The web server put together from its parts."""

import asyncio
import ssl
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import structlog
import uvicorn
from fastapi import FastAPI, Request
from maskwatch_runtime import admin
from maskwatch_runtime.clock import Clock
from maskwatch_runtime.errors import Misconfigured
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.responses import Response
from starlette.staticfiles import StaticFiles

from edge_detector.web import access, frames, page, predict, tls
from edge_detector.web.board import Board
from edge_detector.web.frames import Cameras, Intake
from edge_detector.web.guard import Guard, Keys, SafeHeaders
from edge_detector.web.judges import Judges
from edge_detector.web.limits import BodyLimit
from edge_detector.web.live import Show
from edge_detector.web.page import Controls
from edge_detector.web.predict import About
from edge_detector.web.problems import Problem, ProblemBody
from edge_detector.web.settings import WebSettings

_log = structlog.get_logger()
_ABOUT = "Faces on pictures, and whether they wear a mask. Every refusal is a problem (RFC 9457)."


@dataclass(frozen=True, slots=True)
class Parts:
    """What the server shows and uses.

    Attributes:
        controls: Without them, cameras cannot be started or stopped.
        cameras: Without them, no frames can be brought.
    """

    judges: Judges
    about: About
    board: Board
    clock: Clock
    controls: Controls | None = None
    cameras: Cameras | None = None


class _WebApi(FastAPI):
    """FastAPI whose text also declares the token, and the body of every refusal."""

    def openapi(self) -> dict[str, Any]:
        text = super().openapi()
        parts = text.setdefault("components", {})
        parts.setdefault("schemas", {})["ProblemBody"] = ProblemBody.model_json_schema()
        parts["securitySchemes"] = {"token": {"type": "http", "scheme": "bearer"}}
        text["security"] = [{"token": []}]
        return text


def application(settings: WebSettings, parts: Parts) -> FastAPI:
    """Return the ASGI application; every answer but the login's needs the token."""
    token = settings.web_token
    keys = Keys(
        None if token is None else access.Token(token.get_secret_value()),
        access.Sessions(3600 * settings.web_session_h),
        access.Attempts(),
        parts.clock,
    )
    # Starlette's type asks for handlers of any exception.
    handlers: dict[Any, Any] = {Problem: _refused, HTTPException: _http_error}
    app = _WebApi(
        title="Maskwatch",
        version="1",
        description=_ABOUT,
        # Their pages load scripts from elsewhere.
        docs_url=None,
        redoc_url=None,
        middleware=[
            Middleware(SafeHeaders),
            Middleware(BodyLimit, size_bytes_max=settings.predict_body_bytes_max),
            Middleware(Guard, keys=keys),
        ],
        exception_handlers=handlers,
    )
    service = predict.Service(parts.judges, parts.about, parts.clock, settings.predict_body_s)
    app.include_router(predict.router(service))
    if parts.cameras is not None:
        intake = Intake(parts.cameras, parts.clock, body_s=settings.predict_body_s)
        app.include_router(frames.router(intake))
    show = Show(
        parts.board,
        keys,
        parts.clock,
        ThreadPoolExecutor(1, thread_name_prefix="jpeg"),
        settings.web_picture_width_px,
        has_controls=parts.controls is not None,
    )
    app.include_router(page.router(show, parts.controls))
    app.mount("/static", StaticFiles(directory=page.STATIC))
    return app


async def serve(app: FastAPI, settings: WebSettings, *, stop: asyncio.Event) -> None:
    """Serve until `stop` is set; logs the address, which tells the port when 0 was asked for.

    Raises:
        Misconfigured: The port is taken, or the certificate cannot be read.
    """
    host = settings.web_host
    context = _tls(settings)
    try:
        listener = admin.listen(host, settings.web_port)
    except OSError as error:
        raise Misconfigured(
            f"MASKWATCH_WEB_PORT: cannot listen on {host}:{settings.web_port}: {error}"
        ) from error
    config = uvicorn.Config(
        app,
        log_config=None,
        access_log=False,
        lifespan="off",
        server_header=False,
        ws="websockets-sansio",
        ws_max_size=64 * 1024,
        ssl_context_factory=None if context is None else lambda *_: context,
        timeout_graceful_shutdown=2,
    )
    server = admin.Server(config)
    scheme = "http" if context is None else "https"
    port = listener.getsockname()[1]
    _log.info("web page", action="listen_web", host=host, port=port, scheme=scheme)
    serving = asyncio.create_task(server.serve(sockets=[listener]))
    try:
        await stop.wait()
    finally:
        server.should_exit = True
        await serving
        listener.close()


def _tls(settings: WebSettings) -> ssl.SSLContext | None:
    certificate, key = settings.web_tls_certificate, settings.web_tls_key
    return None if certificate is None or key is None else tls.server(certificate, key)


async def _refused(_: Request, problem: Problem) -> Response:
    return problem.response()


async def _http_error(_: Request, error: HTTPException) -> Response:
    return Problem(error.status_code, error.detail, headers=error.headers).response()
