"""`python -m benchmarks.edge.page`: from the taking of a frame to its pixels in a browser.

Four synthetic cameras of 1280 x 720 px and 5 frames a second, the real detector, the live page in
Chromium; detector and browser share the machine's cores. Screenshots are left in build/bars/.
"""

import os
import shutil
import sys
from pathlib import Path

import numpy as np
from playwright.sync_api import Browser, Page, sync_playwright

from benchmarks import bars
from benchmarks.bars import Bar
from benchmarks.edge import predict

_CAMERAS = 4
_WARM_UP_MS, _WATCHED_MS = 4_000, 30_000
_SIZES = {"desktop": (1280, 900), "phone": (390, 844)}
_COLLECT = """() => {
  window.shown = [];
  document.addEventListener("shown", ({ detail }) => window.shown.push(detail));
}"""


def measure() -> list[Bar]:
    """Return the delays, and the frames a second that were on the screen."""
    with (
        predict.serving("--cameras", str(_CAMERAS)) as (url, _),
        sync_playwright() as playwright,
    ):
        browser = playwright.chromium.launch(executable_path=shutil.which("chromium"))
        try:
            ages_ms = _watch(_opened(browser, url, _SIZES["desktop"]), "desktop")
            _opened(browser, url, _SIZES["phone"]).screenshot(
                path=_picture("phone"), full_page=True
            )
        finally:
            browser.close()
    seconds = _WATCHED_MS / 1000
    return [
        bars.at_most("capture to shown, p95", float(np.percentile(ages_ms, 95)), 300, unit="ms"),
        Bar("capture to shown, median", float(np.median(ages_ms)), "ms"),
        Bar("frames shown, four cameras", len(ages_ms) / seconds, "frames/s"),
    ]


def _opened(browser: Browser, url: str, size: tuple[int, int]) -> Page:
    """Sign in as a person does and wait until every camera is live."""
    page = browser.new_page(viewport={"width": size[0], "height": size[1]})
    page.goto(f"{url}/login")
    page.fill("#token", predict.TOKEN)
    page.click("button[type=submit]")
    live = page.locator('.camera .badge[data-state="live"]')
    live.nth(_CAMERAS - 1).wait_for(timeout=60_000)
    return page


def _watch(page: Page, name: str) -> list[float]:
    page.wait_for_timeout(_WARM_UP_MS)
    page.evaluate(_COLLECT)
    page.wait_for_timeout(_WATCHED_MS)
    shown = page.evaluate("window.shown")
    page.screenshot(path=_picture(name), full_page=True)
    return [frame["age_ms"] for frame in shown]


def _picture(name: str) -> Path:
    bars.FOLDER.mkdir(parents=True, exist_ok=True)
    return bars.FOLDER / f"edge-page-{name}.png"


if __name__ == "__main__":
    print(f"{os.cpu_count()} cores, load {os.getloadavg()[0]:.1f} before the measurement")
    sys.exit(0 if bars.report("edge-page", measure()) else 1)
