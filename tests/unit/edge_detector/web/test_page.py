import re
from datetime import UTC, datetime

import httpx
import numpy as np
import pytest
from edge_detector.web.board import Board, Episode
from maskwatch_proto.alert import Label

from tests.unit.edge_detector.web.conftest import PACKAGE, FakeControls

_STATIC = PACKAGE / "static"


async def test_buttons_reach_the_cameras(client: httpx.AsyncClient, controls: FakeControls) -> None:
    for action in ("stop", "start"):
        assert (await client.post(f"/live/cameras/door/{action}")).status_code == 204

    assert controls.asked == [("stop", "door"), ("start", "door")]


@pytest.mark.parametrize("path", ["/live/cameras/roof/stop", "/live/cameras/door/explode"])
async def test_unknown_camera_or_action_is_a_problem(
    path: str, client: httpx.AsyncClient, controls: FakeControls
) -> None:
    assert (await client.post(path)).status_code == 404
    assert controls.asked == []


async def test_thumbnail_of_an_episode_is_a_jpeg(client: httpx.AsyncClient, board: Board) -> None:
    picture = np.zeros((300, 200, 3), np.uint8)
    now = datetime(2026, 1, 1, tzinfo=UTC)
    board.episode(Episode("seen", "door", Label.NO_MASK, now, thumbnail_bgr=picture))
    board.episode(Episode("hidden", "door", Label.NO_MASK, now))

    seen = await client.get("/live/episodes/seen.jpg")

    assert seen.headers["content-type"] == "image/jpeg"
    assert seen.content.startswith(b"\xff\xd8\xff")
    for other in ("hidden", "nobody"):
        assert (await client.get(f"/live/episodes/{other}.jpg")).status_code == 404


def test_pages_hold_no_inline_script_or_style_and_load_nothing_from_elsewhere() -> None:
    pages = sorted(_STATIC.glob("*.html"))

    assert len(pages) == 2
    for page in pages:
        text = page.read_text(encoding="utf-8")
        assert not re.search(r"<script(?![^>]*\bsrc=)|\sstyle=|\son\w+=|<style", text), page
    for file in _STATIC.iterdir():
        text = file.read_text(encoding="utf-8")
        addresses = set(re.findall(r"https?://[^\s\"'`)]+", text))
        assert addresses <= {"http://www.w3.org/2000/svg", "http://localhost:"} | {
            "http://localhost."
        }, file


def test_static_files_that_the_pages_name_are_there() -> None:
    for file in _STATIC.iterdir():
        text = file.read_text(encoding="utf-8")
        for name in re.findall(r"/static/([\w.-]+)", text) + re.findall(r'from "\./(.+?)"', text):
            assert (_STATIC / name).is_file(), (file.name, name)
