"""The live page for those who see little, use no mouse, or have it read to them."""

import re
import shutil
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from edge_detector.web.board import Board, Episode, Shown, ShownFace, State
from maskwatch_proto.alert import Label
from maskwatch_runtime.clock import SystemClock
from playwright.async_api import Page, async_playwright, expect

from tests.integration.edge_detector.web.browsing import PATIENCE_MS, browsing
from tests.integration.edge_detector.web.conftest import Serve

_CONTRAST = (Path(__file__).parent / "contrast.js").read_text(encoding="utf-8")
_NAME = "(e => e.getAttribute('aria-label') ?? e.innerText.split('\\n')[0])(document.activeElement)"
_FRAME = np.full((36, 64, 3), 120, np.uint8)


class Stations:
    """Cameras whose buttons change the board, as the detector's do."""

    def __init__(self) -> None:
        self.board: Board | None = None

    def start(self, camera: str) -> None:
        self._set(camera, State.WAITING)

    def stop(self, camera: str) -> None:
        self._set(camera, State.STOPPED)

    def _set(self, camera: str, state: State) -> None:
        assert self.board is not None
        if camera == "attic":
            raise LookupError(camera)
        self.board.state(camera, state)


def _publish(board: Board) -> None:
    faces = (ShownFace((10, 10, 20, 22), Label.NO_MASK, 0.93, 4),)
    board.publish("door", Shown(lambda: _FRAME, (64, 36), faces, SystemClock().now(), 11.0))


def _episode(board: Board, number: int, *, has_picture: bool = True) -> None:
    picture = np.full((80, 80, 3), 90, np.uint8) if has_picture else None
    now = SystemClock().now()
    board.episode(Episode(str(number), "door", Label.NO_MASK, now, thumbnail_bgr=picture))


def _everything(board: Board) -> None:
    """Put every kind of card and episode on the board."""
    _publish(board)
    for number, state in enumerate((State.DOWN, State.STOPPED, State.WAITING)):
        board.state(f"camera {number}", state, "no frame for 5 s" if state is State.DOWN else "")
    for number in range(2):
        _episode(board, number, has_picture=bool(number))


@pytest.mark.parametrize(("scheme", "size"), [("light", (1280, 900)), ("dark", (320, 640))])
async def test_everything_can_be_read_and_fits(
    serve: Serve, scheme: str, size: tuple[int, int]
) -> None:
    viewport = {"width": size[0], "height": size[1]}
    context: dict[str, Any] = {"color_scheme": scheme, "viewport": viewport}
    async with AsyncExitStack() as stack:
        served = await stack.enter_async_context(serve(ticks=SystemClock(), controls=Stations()))
        page = await stack.enter_async_context(browsing(served, **context))
        _everything(served.board)
        await expect(page.locator(".episode")).to_have_count(2)
        badge = page.locator('[data-camera="door"] .badge')
        await expect(badge).to_have_attribute("data-state", "live", timeout=PATIENCE_MS)
        found = [await page.evaluate(_CONTRAST)]
        await expect(badge).to_have_attribute("data-state", "old", timeout=PATIENCE_MS)
        found.append(await page.evaluate(_CONTRAST))
        assert await page.evaluate("document.documentElement.scrollWidth") == size[0]
        await page.locator(".episode").first.click()
        found.append(await page.evaluate(_CONTRAST))

    assert [fault for one in found for fault in one["faults"]] == []
    assert min(one["count"] for one in found) > 30


async def test_login_can_be_read(serve: Serve) -> None:
    async with serve() as served, async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=shutil.which("chromium"))
        page = await browser.new_page(color_scheme="dark")
        await page.goto(served.url)
        await expect(page.locator("#token")).to_be_focused(timeout=PATIENCE_MS)
        await page.keyboard.type("wrong")
        await page.keyboard.press("Enter")
        await expect(page.get_by_role("alert")).to_have_text("This token is wrong.")
        found = [await page.evaluate(_CONTRAST)]
        await page.emulate_media(color_scheme="light")
        found.append(await page.evaluate(_CONTRAST))
        await browser.close()

    assert [fault for one in found for fault in one["faults"]] == []


async def test_motion_is_reduced_where_it_is_asked_for(serve: Serve) -> None:
    async with serve(ticks=SystemClock()) as served, browsing(served) as page:
        dot = page.locator("#connection .dot")
        animation = "dot => getComputedStyle(dot).animationName"
        assert await dot.evaluate(animation) == "beat"

        await page.emulate_media(reduced_motion="reduce")

        assert await dot.evaluate(animation) == "none"


async def _tab(page: Page) -> str:
    await page.keyboard.press("Tab")
    name: str = await page.evaluate(_NAME)
    return name


async def test_everything_is_reached_and_done_with_the_keyboard(serve: Serve) -> None:
    stations = Stations()
    async with serve(ticks=SystemClock(), controls=stations) as served, browsing(served) as page:
        stations.board = served.board
        _publish(served.board)
        for number in range(2):
            _episode(served.board, number)
        await expect(page.locator(".episode")).to_have_count(2)
        assert [await _tab(page) for _ in range(7)] == [
            "Skip to the cameras",
            "Skip to the last episodes",
            "Sign out",
            "Stop door",
            "No mask",
            "No mask",
            "Use this device's camera",
        ]

        await page.locator('[href="#cameras"]').focus()
        await page.keyboard.press("Enter")
        assert await _tab(page) == "Stop door"
        await page.keyboard.press("Enter")
        await expect(page.get_by_role("button", name="Start door")).to_be_focused()
        await page.keyboard.press("Space")
        await expect(page.get_by_role("button", name="Stop door")).to_be_focused()

        assert await _tab(page) == "No mask"
        await page.keyboard.press("Enter")
        dialog = page.get_by_role("dialog", name="no mask")
        await expect(dialog).to_be_visible()
        await expect(dialog.get_by_role("img")).to_be_visible()
        await expect(dialog.get_by_role("button", name="Close")).to_be_focused()
        _episode(served.board, 3)  # another comes, and the list moves
        await expect(page.locator(".episode")).to_have_count(3)
        await page.keyboard.press("Escape")
        await expect(dialog).to_be_hidden()
        await expect(page.locator('[data-id="1"] button')).to_be_focused()


async def test_button_that_did_nothing_says_so(serve: Serve) -> None:
    stations = Stations()
    async with serve(ticks=SystemClock(), controls=stations) as served:
        stations.board = served.board
        served.board.state("attic", State.UP)
        async with browsing(served, tolerated="404 (Not Found)") as page:
            await page.get_by_role("button", name="Stop attic").press("Enter")
            trouble = page.locator('[data-camera="attic"] .trouble')
            await expect(trouble).to_have_text("there is no such camera")
            await expect(page.get_by_role("button", name="Stop attic")).to_be_focused()


async def test_what_is_read_out_is_little_and_last(serve: Serve) -> None:
    async with serve(ticks=SystemClock()) as served, browsing(served) as page:
        await page.evaluate(
            """() => { window.said = [];
                new MutationObserver(() => window.said.push(announcements.innerText))
                    .observe(announcements, { childList: true }); }"""
        )
        _publish(served.board)
        for _ in range(20):  # a camera that comes and goes ends as it began: not a word
            served.board.state("door", State.DOWN, "no frame for 5 s")
            served.board.state("door", State.UP)
        for number in range(10):
            _episode(served.board, number)
        served.board.state("roof", State.DOWN, "no frame for 5 s")
        said = page.locator("#announcements")

        await expect(said).to_have_text(re.compile("roof: Down"), timeout=PATIENCE_MS)

        (sentence,) = await page.evaluate("window.said")
        assert sorted(sentence.split(". ")) == ["door: no mask", "roof: Down"]
