"""The OpenAPI text, by a program that believes every word of it."""

import asyncio
import threading
from collections.abc import Iterator

import pytest
from edge_detector.sources.pushed import PushedSource
from maskwatch_runtime.clock import SystemClock
from schemathesis import GenerationMode
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
    status_code_conformance,
    unsupported_method,
)

from benchmarks.edge import openapi
from benchmarks.edge.openapi import Asking
from tests.integration.edge_detector.web.conftest import TOKEN, Serve, Served

_CHECKS = [
    not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
    unsupported_method,
]
_EXAMPLES = 25
_FRAMES = "/v1/cameras/{camera}/frames"
_PATHS = ("/v1/predict", "/predict/", _FRAMES)


class OneCamera:
    """A camera that takes frames."""

    def __init__(self) -> None:
        self.source = PushedSource(fps=10, clock=SystemClock())

    def taking(self, camera: str) -> PushedSource:
        return {openapi.CAMERA: self.source}[camera]


@pytest.fixture
def camera() -> OneCamera:
    return OneCamera()


@pytest.fixture
def running(serve: Serve, camera: OneCamera) -> Iterator[Served]:
    """A server in a thread of its own: the program that asks is not asynchronous."""
    started: list[Served] = []
    is_up, over = threading.Event(), threading.Event()

    async def run() -> None:
        async with serve(cameras=camera) as served:
            started.append(served)
            is_up.set()
            await asyncio.to_thread(over.wait)

    thread = threading.Thread(target=asyncio.run, args=(run(),))
    thread.start()
    assert is_up.wait(30)
    yield started[0]
    over.set()
    thread.join(30)


@pytest.fixture
def asking(running: Served) -> Asking:
    return Asking(running.url, TOKEN, openapi.CAMERA, _EXAMPLES, _CHECKS)


def test_every_route_is_asked(asking: Asking) -> None:
    assert set(asking.paths()) == set(_PATHS)


@pytest.mark.parametrize("path", _PATHS)
@pytest.mark.parametrize("mode", openapi.MODES)
def test_answers_are_as_declared_whatever_is_sent(
    path: str, mode: GenerationMode, asking: Asking
) -> None:
    statuses = asking.statuses(path, mode)

    assert statuses
    assert max(statuses) < 500


def test_pictures_among_what_is_posted_reach_the_camera_and_no_others(
    asking: Asking, camera: OneCamera
) -> None:
    statuses = asking.statuses(_FRAMES, GenerationMode.POSITIVE)

    assert {204, 404} <= statuses.keys()
    assert statuses.keys() & {400, 415, 422}
    assert camera.source.take(timeout_s=0) is not None
