"""The live page in Chromium, its camera playing a clip."""

import re
from datetime import datetime, timedelta
from pathlib import Path

import cv2
import numpy as np
import pytest
from edge_detector.vision.arrays import Picture
from edge_detector.web.board import Episode, Shown, ShownFace, State
from maskwatch_proto.alert import Label
from maskwatch_runtime.clock import SystemClock
from playwright.async_api import Page, expect

from tests.integration.edge_detector.web.browsing import PATIENCE_MS, browsing
from tests.integration.edge_detector.web.conftest import Serve, Served

# Where no rate is known, a picture is old from 1.5 s on, looked at five times a second: it is
# marked within two.
_MARKED_MS = 2_000


@pytest.fixture
def clip(tmp_path: Path, astronaut: Picture) -> Path:
    """Ten frames of the astronaut, as the fake camera reads them: JPEGs one after the other."""
    path = tmp_path / "clip.mjpeg"
    frame = np.full((480, 640, 3), 114, np.uint8)
    frame[:, 64:576] = astronaut[:480]
    with path.open("wb") as file:
        for number in range(10):
            _, encoded = cv2.imencode(".jpg", np.roll(frame, 2 * number, axis=1))
            file.write(encoded.tobytes())
    return path


def _publish(served: Served, *, has_picture: bool = True) -> None:
    picture = np.full((360, 640, 3), (40, 160, 40), np.uint8) if has_picture else None
    faces = (ShownFace((100, 100, 200, 220), Label.NO_MASK, 0.93, 4),)
    shown = Shown(lambda: picture, (640, 360), faces, SystemClock().now(), 11.0)
    served.board.publish("door", shown)


async def _pixel(page: Page, x: int, y: int) -> list[int]:
    """Return red, green and blue of the camera's canvas."""
    script = """([x, y]) => [...document.querySelector('[data-camera="door"] canvas')
        .getContext("2d").getImageData(x, y, 1, 1).data].slice(0, 3)"""
    pixel: list[int] = await page.evaluate(script, [x, y])
    return pixel


async def test_frame_is_drawn_with_its_box_and_marked_when_no_other_comes(serve: Serve) -> None:
    async with serve(ticks=SystemClock()) as served, browsing(served) as page:
        badge = page.locator('[data-camera="door"] .badge')
        await expect(badge).to_have_attribute("data-state", "waiting")
        _publish(served)
        await expect(badge).to_have_attribute("data-state", "live", timeout=PATIENCE_MS)
        assert abs((await _pixel(page, 20, 300))[1] - 160) < 12
        red, green, _ = await _pixel(page, 100, 160)
        assert red > 150 > green
        await expect(page.locator('[data-camera="door"] .facts')).to_contain_text("1 face")

        await expect(badge).to_have_attribute("data-state", "old", timeout=PATIENCE_MS)

        age_s = await page.locator('[data-camera="door"] .facts').inner_text()
        assert float(age_s.split()[-3]) * 1000 < _MARKED_MS + 500
        await expect(page.locator('[data-camera="door"] .veil')).to_be_visible()


class Skipping(SystemClock):
    """A clock that can be set forward, so that a slow camera need not be waited for."""

    skipped_s = 0.0

    def now(self) -> datetime:
        return super().now() + timedelta(seconds=self.skipped_s)

    def monotonic_s(self) -> float:
        return super().monotonic_s() + self.skipped_s


async def test_slow_camera_is_not_called_frozen_between_its_frames(serve: Serve) -> None:
    clock = Skipping()
    async with serve(ticks=clock) as served:
        for _ in range(2):  # a frame every four seconds
            clock.skipped_s += 4.0
            served.board.publish("door", Shown(lambda: None, (64, 36), (), clock.now(), 11.0))
        async with browsing(served) as page:
            facts = page.locator('[data-camera="door"] .facts')
            await expect(facts).to_contain_text(re.compile(r" [3-6]\.\d s old"), timeout=9_000)

            badge = page.locator('[data-camera="door"] .badge')
            assert await badge.get_attribute("data-state") == "live"


async def test_withheld_picture_is_grey_with_its_boxes(serve: Serve) -> None:
    async with serve(ticks=SystemClock()) as served, browsing(served) as page:
        _publish(served, has_picture=False)
        badge = page.locator('[data-camera="door"] .badge')
        await expect(badge).to_have_attribute("data-state", "live", timeout=PATIENCE_MS)

        assert await _pixel(page, 20, 300) == [0x6B, 0x74, 0x7C]
        red, green, _ = await _pixel(page, 100, 160)
        assert red > 150 > green


async def test_states_and_episodes_are_shown_on_a_phone(serve: Serve) -> None:
    async with serve(ticks=SystemClock()) as served, browsing(served) as page:
        served.board.state("door", State.DOWN, "no frame for 5 s")
        face = np.full((80, 80, 3), 120, np.uint8)
        now = SystemClock().now()
        served.board.episode(Episode("1", "door", Label.NO_MASK, now, thumbnail_bgr=face))

        await expect(page.locator(".veil")).to_contain_text("no frame for 5 s")
        await expect(page.locator(".episode .what")).to_have_text("no mask")
        await expect(page.locator(".episode img")).to_be_visible()
        await expect(page.locator("#announcements")).to_contain_text("door: Down")
        width = await page.evaluate("document.documentElement.scrollWidth")
        assert width == 390


async def test_who_signed_out_elsewhere_is_led_to_the_login(serve: Serve) -> None:
    async with serve(ticks=SystemClock()) as served, browsing(served) as page:
        await page.evaluate("fetch('/logout', { method: 'POST' }).then(() => 0)")

        await page.wait_for_url("**/login")


async def test_this_devices_camera_is_judged(serve: Serve, clip: Path) -> None:
    async with serve(ticks=SystemClock()) as served, browsing(served, clip=clip) as page:
        await page.evaluate(
            """() => document.addEventListener("judged",
                ({ detail }) => { if (detail.faces.length) window.judged = detail; })"""
        )
        await page.click("#own-button")
        facts = page.locator("#own-facts")
        await expect(facts).to_contain_text("1 face", timeout=PATIENCE_MS)
        labels = await page.evaluate("window.judged.faces.map((face) => face.label)")
        assert "no_mask" in labels
        await expect(facts).to_contain_text("there and back")
        assert await page.evaluate("window.judged.picture.width_px") == 640

        await page.click("#own-button")

        await expect(page.locator("#own-note")).to_contain_text("Nothing was stored")
