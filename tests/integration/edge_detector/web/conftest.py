"""The web server on a port of its own, with the packaged model, or with faces written down."""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass

import pytest
import structlog
from edge_detector.settings import PACKAGED_MODEL
from edge_detector.vision import model
from edge_detector.vision.detector import Detector
from edge_detector.web import server
from edge_detector.web.board import Board
from edge_detector.web.frames import Cameras
from edge_detector.web.judges import Judges
from edge_detector.web.page import Controls
from edge_detector.web.predict import About
from edge_detector.web.settings import WebSettings
from maskwatch_runtime.clock import Clock
from maskwatch_runtime.testing import FakeClock

TOKEN = "a-token-for-the-tests"
_GIVE_UP_S = 30.0


@dataclass(frozen=True)
class Served:
    """A running server and what it shows."""

    port: int
    board: Board
    clock: FakeClock

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"


Serve = Callable[..., AbstractAsyncContextManager[Served]]


@pytest.fixture
def judges() -> Iterator[Judges]:
    pool = Judges([Detector(model.load(PACKAGED_MODEL))], queue_max=16)
    yield pool
    pool.close()


@pytest.fixture
def serve(judges: Judges) -> Serve:
    """Serve with these settings for as long as the block runs.

    `ticks` is a clock that runs; with `controls` the page has buttons, and `cameras` take frames.
    """

    @asynccontextmanager
    async def running(
        *,
        ticks: Clock | None = None,
        controls: Controls | None = None,
        cameras: Cameras | None = None,
        **changes: object,
    ) -> AsyncIterator[Served]:
        settings = WebSettings.model_validate({"web_port": 0, "web_token": TOKEN, **changes})
        clock = FakeClock()
        board = Board(["door"], ticks or clock)
        manifest = model.load(PACKAGED_MODEL).manifest
        about = About(manifest, None, "tests")
        parts = server.Parts(judges, about, board, ticks or clock, controls, cameras)
        stop = asyncio.Event()
        app = server.application(settings, parts)
        with structlog.testing.capture_logs() as lines:
            serving = asyncio.create_task(server.serve(app, settings, stop=stop))
            async with asyncio.timeout(_GIVE_UP_S):
                while not lines and not serving.done():
                    await asyncio.sleep(0.005)  # between two looks
        try:
            if serving.done():
                serving.result()
            yield Served(lines[0]["port"], board, clock)
        finally:
            stop.set()
            await asyncio.wait([serving])

    return running


@pytest.fixture
async def served(serve: Serve) -> AsyncIterator[Served]:
    async with serve() as one:
        yield one
