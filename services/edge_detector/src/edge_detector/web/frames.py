"""`/v1/cameras/{camera}/frames`: pictures that stand for what a camera sees."""

import asyncio
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any, Protocol

from fastapi import APIRouter, Request
from maskwatch_runtime.clock import Clock
from starlette.responses import Response

from edge_detector.sources.pushed import PushedSource
from edge_detector.web import bodies, problems
from edge_detector.web.pictures import Decoder
from edge_detector.web.problems import Problem

# Bodies in memory at once; a camera's next frame is worth more than one that waits for long.
_INSIDE_MAX = 8


class Cameras(Protocol):
    """Cameras whose frames are brought; the stations implement it, the fake is in the tests."""

    def taking(self, camera: str) -> PushedSource | None:
        """Return what takes a camera's frames; None when it takes none now.

        Raises:
            LookupError: There is no camera of this name.
        """
        ...


class Intake:
    """Decodes what is brought, one picture after the other, outside of the event loop."""

    def __init__(self, cameras: Cameras, clock: Clock, *, body_s: float) -> None:
        self._cameras = cameras
        self._clock = clock
        self._body_s = body_s
        self._decoder = Decoder()
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="frames")
        self._inside = 0

    async def take(self, camera: str, request: Request) -> None:
        """Hand a picture to a camera.

        Raises:
            Problem: 404 no such camera; 409 it takes no frames; 429 too many at once; or what
                `Decoder.decode` and `bodies.read` say.
        """
        self._source(camera)
        with self._place():
            taken_at = self._clock.now()
            body = await bodies.read(request, timeout_s=self._body_s)
            loop = asyncio.get_running_loop()
            decoded = await loop.run_in_executor(self._thread, self._decoder.decode, body)
            # Asked again: the cameras may have changed while the body came.
            self._source(camera).put(decoded.image_bgr, taken_at)

    def _source(self, camera: str) -> PushedSource:
        try:
            source = self._cameras.taking(camera)
        except LookupError:
            raise Problem(404, "there is no such camera") from None
        if source is None:
            raise Problem(
                409, "the camera takes no frames: it is stopped, or reads a source of its own"
            )
        return source

    @contextmanager
    def _place(self) -> Iterator[None]:
        if self._inside >= _INSIDE_MAX:
            raise problems.too_many("too many frames at once", retry_after_s=1)
        self._inside += 1
        try:
            yield
        finally:
            self._inside -= 1


def router(intake: Intake) -> APIRouter:
    """Return the one route."""
    routes = APIRouter(tags=["cameras"])

    async def frame(camera: str, request: Request) -> Response:
        await intake.take(camera, request)
        return Response(status_code=204)

    routes.add_api_route("/v1/cameras/{camera}/frames", frame, methods=["POST"], **_TEXT)
    return routes


_BINARY = {"schema": {"type": "string", "format": "binary"}}
_TEXT: dict[str, Any] = {
    "operation_id": "push_frame",
    "summary": "Bring a camera's next frame",
    "description": (
        "For a camera whose source is `posted` or `browser`: the body is one picture, JPEG or PNG. "
        "Of frames that come faster than the camera's rate, the latest counts."
    ),
    "status_code": 204,
    "response_class": Response,
    "responses": problems.declared(400, 401, 403, 404, 408, 409, 413, 415, 422, 429),
    "openapi_extra": {
        "requestBody": {
            "required": True,
            "content": {"image/jpeg": _BINARY, "image/png": _BINARY},
        }
    },
}
