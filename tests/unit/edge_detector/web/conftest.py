"""The web application with detectors whose answers a test writes down."""

import asyncio
import base64
import io
import threading
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path

import httpx
import numpy as np
import pytest
from edge_detector.vision.arrays import Picture
from edge_detector.vision.faces import Faces
from edge_detector.vision.manifest import Manifest
from edge_detector.web import server
from edge_detector.web.board import Board
from edge_detector.web.judges import Judges
from edge_detector.web.predict import About
from edge_detector.web.settings import WebSettings
from fastapi import FastAPI
from maskwatch_proto.alert import Label
from maskwatch_runtime.testing import FakeClock
from PIL import Image

TOKEN = "a-token-for-the-tests"
CLASSES = (Label.MASK, Label.NO_MASK, Label.BAD_MASK)


def faces(
    *rows: tuple[tuple[float, float, float, float], float, tuple[float, float, float]],
) -> Faces:
    """Return faces of boxes, scores and probabilities of mask, no_mask and bad_mask."""
    shares = np.array([row[2] for row in rows], np.float32).reshape(-1, 3)
    return Faces(
        np.array([row[0] for row in rows], np.float32).reshape(-1, 4),
        np.array([row[1] for row in rows], np.float32),
        shares,
        CLASSES,
        tuple(CLASSES[index] for index in shares.argmax(axis=1)) if rows else (),
        np.zeros(len(rows), np.bool_),
    )


class FakeDetector:
    """Sees what it is told to; waits for `may_answer` first.

    Attributes:
        seen: The pictures that it was shown.
    """

    def __init__(self) -> None:
        self.answer = faces()
        self.seen: list[Picture] = []
        self.may_answer = threading.Event()
        self.may_answer.set()

    def detect(self, frame_bgr: Picture) -> Faces:
        self.seen.append(frame_bgr)
        assert self.may_answer.wait(10)
        return self.answer


class FakeControls:
    """Keeps what the buttons asked for; knows the camera "door"."""

    def __init__(self) -> None:
        self.asked: list[tuple[str, str]] = []

    def start(self, camera: str) -> None:
        self._ask("start", camera)

    def stop(self, camera: str) -> None:
        self._ask("stop", camera)

    def _ask(self, action: str, camera: str) -> None:
        if camera != "door":
            raise LookupError(camera)
        self.asked.append((action, camera))


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
def detector() -> FakeDetector:
    return FakeDetector()


@pytest.fixture
def judges(detector: FakeDetector) -> Iterator[Judges]:
    pool = Judges([detector], queue_max=2)
    yield pool
    detector.may_answer.set()
    pool.close()


@pytest.fixture
def board(clock: FakeClock) -> Board:
    return Board(["door"], clock)


@pytest.fixture
def controls() -> FakeControls:
    return FakeControls()


@pytest.fixture
def build(
    judges: Judges,
    board: Board,
    controls: FakeControls,
    clock: FakeClock,
    manifest: Callable[..., Manifest],
) -> Callable[..., FastAPI]:
    """Build the application with these settings."""

    def application(**settings: object) -> FastAPI:
        parts = server.Parts(judges, About(manifest(), None, "fake 1"), board, clock, controls)
        return server.application(WebSettings.model_validate(settings), parts)

    return application


@pytest.fixture
async def client(build: Callable[..., FastAPI]) -> AsyncIterator[httpx.AsyncClient]:
    """A program that shows the token."""
    app = build(web_token=TOKEN, predict_body_bytes_max=100_000)
    async with speaking_to(app, headers={"Authorization": f"Bearer {TOKEN}"}) as speaking:
        yield speaking


@pytest.fixture
async def stranger(build: Callable[..., FastAPI]) -> AsyncIterator[httpx.AsyncClient]:
    """A program or browser that shows nothing."""
    async with speaking_to(build(web_token=TOKEN)) as speaking:
        yield speaking


def speaking_to(app: FastAPI, *, headers: dict[str, str] | None = None) -> httpx.AsyncClient:
    return httpx.AsyncClient(
        transport=httpx.ASGITransport(app), base_url="http://localhost", headers=headers
    )


@pytest.fixture
def encode() -> Callable[..., bytes]:
    """Make a picture file: `encode("PNG", mode="RGB", size=(8, 6), colour=...)`."""

    def make(
        kind: str = "PNG",
        *,
        mode: str = "RGB",
        size: tuple[int, int] = (8, 6),
        colour: object = 0,
        **options: object,
    ) -> bytes:
        file = io.BytesIO()
        Image.new(mode, size, colour).save(file, kind, **options)  # type: ignore[arg-type]
        return file.getvalue()

    return make


def in_base64(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).decode()


async def until(condition: Callable[[], bool]) -> None:
    """Let the other tasks run until the condition holds."""
    async with asyncio.timeout(10):
        while not condition():
            await asyncio.sleep(0.001)


PACKAGE = Path(server.__file__).parent
