"""A signed-in tab of Chromium on the live page."""

import shutil
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from playwright.async_api import ConsoleMessage, Page, async_playwright, expect

from tests.integration.edge_detector.web.conftest import TOKEN, Served

PATIENCE_MS = 60_000
PHONE = {"width": 390, "height": 844}


@asynccontextmanager
async def browsing(
    served: Served,
    *,
    clip: Path | None = None,
    tolerated: str = "401 (Unauthorized)",
    **context: Any,
) -> AsyncIterator[Page]:
    """Open the page and sign in; whatever the browser complains of fails the test.

    Args:
        served: The server.
        clip: What the device's camera plays.
        tolerated: What the browser may complain of; that a session has ended is found by asking.
        context: Of the browser, such as `color_scheme`.
    """
    arguments = ["--use-fake-ui-for-media-stream", "--use-fake-device-for-media-stream"]
    if clip is not None:
        arguments.append(f"--use-file-for-fake-video-capture={clip}")
    complaints: list[str] = []

    def hear(line: ConsoleMessage) -> None:
        if line.type == "error" and tolerated not in line.text:
            complaints.append(line.text)

    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(
            executable_path=shutil.which("chromium"), args=arguments
        )
        page = await browser.new_page(**{"viewport": PHONE, **context})
        page.set_default_timeout(PATIENCE_MS)
        page.on("pageerror", lambda error: complaints.append(str(error)))
        page.on("console", hear)
        await page.goto(served.url)
        await expect(page.locator("#token")).to_be_focused(timeout=PATIENCE_MS)
        await page.keyboard.type(TOKEN)
        await page.keyboard.press("Enter")
        await expect(page.locator("#connection-text")).to_have_text(
            "Connected", timeout=PATIENCE_MS
        )
        yield page
        await browser.close()
    assert complaints == []
