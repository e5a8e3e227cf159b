"""Frames brought to a camera: what is taken, and what is said of the rest."""

import asyncio
from collections.abc import AsyncIterator, Callable

import httpx
import pytest
from edge_detector.sources.pushed import PushedSource
from edge_detector.vision.manifest import Manifest
from edge_detector.web import server
from edge_detector.web.board import Board
from edge_detector.web.judges import Judges
from edge_detector.web.predict import About
from edge_detector.web.settings import WebSettings
from maskwatch_runtime.testing import FakeClock

from tests.unit.edge_detector.web.conftest import TOKEN, speaking_to, until

_PATH = "/v1/cameras/door/frames"


class FakeCameras:
    """The camera "door" takes frames, "hall" takes none."""

    def __init__(self, clock: FakeClock) -> None:
        self.door: PushedSource | None = PushedSource(fps=10, clock=clock)

    def taking(self, camera: str) -> PushedSource | None:
        return {"door": self.door, "hall": None}[camera]


@pytest.fixture
def cameras(clock: FakeClock) -> FakeCameras:
    return FakeCameras(clock)


@pytest.fixture
async def bringing(
    cameras: FakeCameras,
    judges: Judges,
    board: Board,
    clock: FakeClock,
    manifest: Callable[..., Manifest],
) -> AsyncIterator[httpx.AsyncClient]:
    about = About(manifest(), None, "fake 1")
    parts = server.Parts(judges, about, board, clock, cameras=cameras)
    settings = {"web_token": TOKEN, "predict_body_bytes_max": 100_000}
    app = server.application(WebSettings.model_validate(settings), parts)
    async with speaking_to(app, headers={"Authorization": f"Bearer {TOKEN}"}) as speaking:
        yield speaking


@pytest.mark.parametrize("kind", ["JPEG", "PNG"])
async def test_picture_becomes_the_cameras_frame(
    bringing: httpx.AsyncClient,
    cameras: FakeCameras,
    clock: FakeClock,
    encode: Callable[..., bytes],
    kind: str,
) -> None:
    answer = await bringing.post(_PATH, content=encode(kind, size=(64, 48)))

    assert (answer.status_code, answer.content) == (204, b"")
    assert cameras.door is not None
    frame = cameras.door.take(timeout_s=0)
    assert frame is not None
    assert frame.image_bgr.shape == (48, 64, 3)
    assert frame.taken_at == clock.now()


@pytest.mark.parametrize(
    ("path", "status", "said"),
    [
        ("/v1/cameras/roof/frames", 404, "no such camera"),
        ("/v1/cameras/hall/frames", 409, "reads a source of its own"),
    ],
)
async def test_camera_that_takes_no_frames_is_said_so(
    bringing: httpx.AsyncClient, encode: Callable[..., bytes], path: str, status: int, said: str
) -> None:
    answer = await bringing.post(path, content=encode())

    assert answer.status_code == status
    assert said in answer.json()["detail"]


@pytest.mark.parametrize(
    ("body", "status"),
    [(b"", 415), (b"no picture", 415), (b"\xff\xd8\xff cut", 422), (bytes(100_001), 413)],
)
async def test_what_is_no_picture_is_refused_and_nothing_is_handed_on(
    bringing: httpx.AsyncClient, cameras: FakeCameras, body: bytes, status: int
) -> None:
    answer = await bringing.post(_PATH, content=body)

    assert answer.status_code in {status, 415}
    assert answer.status_code >= 400
    assert cameras.door is not None
    assert cameras.door.take(timeout_s=0) is None


async def test_nobody_brings_frames_without_the_token(
    bringing: httpx.AsyncClient, cameras: FakeCameras, encode: Callable[..., bytes]
) -> None:
    answer = await bringing.post(_PATH, content=encode(), headers={"Authorization": "Bearer no"})

    assert answer.status_code == 401
    assert cameras.door is not None
    assert cameras.door.take(timeout_s=0) is None


async def test_more_bodies_at_once_than_memory_is_meant_for_have_to_come_back(
    bringing: httpx.AsyncClient, encode: Callable[..., bytes]
) -> None:
    over, inside = asyncio.Event(), []

    async def slow() -> AsyncIterator[bytes]:
        inside.append(1)
        await over.wait()
        yield encode()

    waiting = [asyncio.create_task(bringing.post(_PATH, content=slow())) for _ in range(8)]
    await until(lambda: len(inside) == 8)
    answer = await bringing.post(_PATH, content=encode())
    over.set()

    assert (answer.status_code, answer.headers["Retry-After"]) == (429, "1")
    assert {one.status_code for one in await asyncio.gather(*waiting)} == {204}


async def test_without_such_cameras_there_is_no_route(
    client: httpx.AsyncClient, encode: Callable[..., bytes]
) -> None:
    assert (await client.post(_PATH, content=encode())).status_code == 404
