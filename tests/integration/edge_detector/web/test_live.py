import json
import struct
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from typing import Any

import httpx
import numpy as np
import pytest
from edge_detector.web.access import COOKIE
from edge_detector.web.board import Episode, Shown, ShownFace, State
from maskwatch_proto.alert import Label
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.typing import Origin

from tests.integration.edge_detector.web.conftest import TOKEN, Served

_BEARER = {"Authorization": f"Bearer {TOKEN}"}


@asynccontextmanager
async def _watching(
    served: Served, *, headers: dict[str, str] = _BEARER, origin: str | None = None
) -> AsyncIterator[ClientConnection]:
    """Connect as a browser does."""
    address = f"ws://127.0.0.1:{served.port}/live/socket"
    sent_from = None if origin is None else Origin(origin)
    async with connect(address, additional_headers=headers, origin=sent_from) as socket:
        yield socket


async def _signed_in(served: Served) -> dict[str, str]:
    async with httpx.AsyncClient(base_url=served.url) as browser:
        await browser.post("/login", data={"token": TOKEN})
        return {"Cookie": f"{COOKIE}={browser.cookies[COOKIE]}"}


def _publish(served: Served, *, has_picture: bool = True) -> None:
    picture = np.zeros((72, 128, 3), np.uint8) if has_picture else None
    faces = (ShownFace((1, 2, 3, 4.25), Label.NO_MASK, 0.87654, 3),)
    shown = Shown(lambda: picture, (128, 72), faces, served.clock.now(), 12.345)
    served.board.publish("door", shown)


async def _told(socket: ClientConnection) -> dict[str, Any]:
    text = await socket.recv(decode=True)
    told: dict[str, Any] = json.loads(text)
    return told


async def _say(socket: ClientConnection, **words: object) -> None:
    await socket.send(json.dumps(words))


async def _frame(socket: ClientConnection) -> tuple[dict[str, Any], bytes]:
    """Return the next frame; what is told besides is passed over."""
    data = await socket.recv()
    while isinstance(data, str):
        data = await socket.recv()
    (length,) = struct.unpack_from("<I", data)
    return json.loads(data[4 : 4 + length]), data[4 + length :]


async def _close_code(socket: ClientConnection) -> int | None:
    with suppress(ConnectionClosed):
        while True:
            await socket.recv()
    return socket.close_code


async def _refusal(served: Served, **how: Any) -> int:
    with pytest.raises(InvalidStatus) as refused:
        async with _watching(served, **how):
            pytest.fail("let in")
    return refused.value.response.status_code


async def test_viewer_hears_of_cameras_and_episodes_first(served: Served) -> None:
    served.board.episode(Episode("1", "door", Label.NO_MASK, served.clock.now()))

    async with _watching(served) as socket:
        told = await _told(socket)

    assert told == {
        "type": "board",
        "has_controls": False,
        "has_login": True,
        "cameras": [{"name": "door", "state": "waiting", "reason": "", "is_browser": False}],
        "episodes": [
            {
                "id": "1",
                "camera": "door",
                "label": "no_mask",
                "begun_at": "2026-01-01T00:00:00+00:00",
                "ended_at": None,
                "is_mask_put_on": None,
                "has_thumbnail": False,
            }
        ],
    }


async def test_frame_comes_with_its_boxes(served: Served) -> None:
    served.clock.advance(50)
    _publish(served)

    async with _watching(served) as socket:
        header, jpeg = await _frame(socket)

    assert jpeg.startswith(b"\xff\xd8\xff")
    assert header == {
        "camera": "door",
        "sequence": 1,
        "taken_ms": 50_000,
        "size_wh": [128, 72],
        "fps": 0,
        "inference_ms": 12.35,
        "faces": [{"xyxy": [1, 2, 3, 4.2], "label": "no_mask", "probability": 0.8765, "track": 3}],
    }


async def test_withheld_picture_sends_boxes_and_no_byte_of_it(served: Served) -> None:
    _publish(served, has_picture=False)

    async with _watching(served) as socket:
        header, jpeg = await _frame(socket)

    assert jpeg == b""
    assert len(header["faces"]) == 1


async def test_slow_viewer_skips_to_the_latest_frame(served: Served) -> None:
    _publish(served)
    async with _watching(served) as socket:
        sequences = [(await _frame(socket))[0]["sequence"]]
        _publish(served)
        sequences.append((await _frame(socket))[0]["sequence"])
        # Two are on their way: these wait, and give way to the last of them.
        for _ in range(5):
            _publish(served)
        await _say(socket, type="ping", at_ms=1)
        assert (await _told(socket))["type"] == "pong"
        await _say(socket, type="drawn", camera="roof")
        await _say(socket, type="drawn", camera="door")
        sequences.append((await _frame(socket))[0]["sequence"])

    assert sequences == [1, 2, 7]


async def test_every_viewer_gets_every_frame(served: Served) -> None:
    async with _watching(served) as one, _watching(served) as other:
        _publish(served)

        assert await _frame(one) == await _frame(other)


async def test_change_of_state_is_told(served: Served) -> None:
    async with _watching(served) as socket:
        await _told(socket)
        served.board.state("door", State.DOWN, "no frame for 5 s")
        told = await _told(socket)

    assert told["cameras"] == [
        {"name": "door", "state": "down", "reason": "no frame for 5 s", "is_browser": False}
    ]


async def test_pong_tells_our_clock(served: Served) -> None:
    served.clock.advance(3.5)
    async with _watching(served) as socket:
        await _told(socket)
        await _say(socket, type="ping", at_ms=12.5)

        assert await _told(socket) == {"type": "pong", "at_ms": 12.5, "clock_ms": 3500}


@pytest.mark.parametrize(
    "said",
    ["", "[]", "hello", '{"type":"shutdown"}', '{"type":"ping","at_ms":NaN}', b"\0"],
)
async def test_other_words_close_the_socket(said: str | bytes, served: Served) -> None:
    async with _watching(served) as socket:
        await socket.send(said)

        assert await _close_code(socket) == 1003


async def test_message_that_is_too_long_closes_the_socket(served: Served) -> None:
    async with _watching(served) as socket:
        await socket.send("x" * 100_000)

        assert await _close_code(socket) == 1009


@pytest.mark.parametrize(
    "headers", [{}, {"Authorization": "Bearer wrong"}, {"Cookie": f"{COOKIE}=invented"}]
)
async def test_socket_is_closed_to_strangers(headers: dict[str, str], served: Served) -> None:
    assert await _refusal(served, headers=headers) == 403


async def test_socket_is_closed_to_the_pages_of_other_sites(served: Served) -> None:
    cookie = await _signed_in(served)

    assert await _refusal(served, headers=cookie, origin="http://evil.example") == 403
    async with _watching(served, headers=cookie, origin=served.url) as socket:
        assert (await _told(socket))["type"] == "board"


async def test_socket_ends_with_its_session(served: Served) -> None:
    cookie = await _signed_in(served)
    async with _watching(served, headers=cookie) as socket:
        await _told(socket)
        async with httpx.AsyncClient(base_url=served.url, headers=cookie) as browser:
            await browser.post("/logout")
        await _say(socket, type="ping", at_ms=1)

        assert await _close_code(socket) == 1008


async def test_viewers_are_bounded_and_a_place_becomes_free(served: Served) -> None:
    async with AsyncExitStack() as viewers:
        for _ in range(16):
            await _told(await viewers.enter_async_context(_watching(served)))
        assert await _refusal(served) == 403

    async with _watching(served) as again:
        assert (await _told(again))["type"] == "board"
