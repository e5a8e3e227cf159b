"""The page and its routes on the whole service: frames brought, a camera stopped, what is seen."""

import json
import os
import shutil
import urllib.parse
from collections.abc import Callable, Iterator
from pathlib import Path

import cv2
import httpx
import pytest
from edge_detector.vision.arrays import Picture
from maskwatch_proto.alert import Label
from playwright.sync_api import expect, sync_playwright
from websockets.sync.client import connect

from tests.integration.edge_detector.conftest import Service
from tests.integration.edge_detector.web.conftest import TOKEN

_PATIENCE_MS = 60_000
_HEADERS = {"Authorization": f"Bearer {TOKEN}"}


@pytest.fixture
def running(service: Callable[..., Service], tmp_path: Path) -> Service:
    path = tmp_path / "cameras.yml"
    cameras = [
        {"name": "desk", "source": "posted", "fps": 30},
        {"name": "phone", "source": "browser", "privacy": "stats"},
        {"name": "roof", "source": 97},
    ]
    path.write_text(json.dumps({"cameras": cameras}))
    return service(cameras=str(path), web_token=TOKEN, web_port="0", delegate="")


@pytest.fixture
def page(running: Service) -> Iterator[httpx.Client]:
    port = running.log("listen_web")["port"]
    with httpx.Client(base_url=f"http://127.0.0.1:{port}", headers=_HEADERS) as client:
        yield client


def _bring(page: httpx.Client, camera: str, picture: Picture) -> int:
    _, jpeg = cv2.imencode(".jpg", picture)
    return page.post(f"/v1/cameras/{camera}/frames", content=jpeg.tobytes()).status_code


def test_frames_that_are_brought_become_an_alert_and_are_shown(
    running: Service, page: httpx.Client, astronaut: Picture
) -> None:
    running.until(lambda: _bring(page, "desk", astronaut) == 204 and bool(running.alerts()))

    (alert,) = running.alerts()
    assert (alert.camera, alert.label) == ("desk", Label.NO_MASK)
    url = f"ws://{urllib.parse.urlsplit(str(page.base_url)).netloc}/live/socket"
    with connect(url, additional_headers=_HEADERS) as socket:
        board = json.loads(socket.recv(timeout=20))
        frame = socket.recv(timeout=20)
    cameras = {camera["name"]: camera for camera in board["cameras"]}
    assert [cameras["desk"]["state"], cameras["phone"]["is_browser"]] == ["up", True]
    (episode,) = board["episodes"]
    assert (episode["camera"], episode["label"]) == ("desk", "no_mask")
    assert episode["has_thumbnail"]
    assert isinstance(frame, bytes)
    size = int.from_bytes(frame[:4], "little")
    header = json.loads(frame[4 : 4 + size])
    assert header["camera"] == "desk"
    assert [face["label"] for face in header["faces"]] == ["no_mask"]
    assert frame[4 + size :].startswith(b"\xff\xd8")
    thumbnail = page.get(f"/live/episodes/{episode['id']}.jpg")
    assert thumbnail.content.startswith(b"\xff\xd8")
    assert running.stop() == 0


def test_browser_stands_in_for_a_camera(
    running: Service, page: httpx.Client, astronaut: Picture, tmp_path: Path
) -> None:
    _, jpeg = cv2.imencode(".jpg", astronaut)
    clip = tmp_path / "clip.mjpeg"
    clip.write_bytes(10 * jpeg.tobytes())
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=shutil.which("chromium"),
            args=[
                "--use-fake-ui-for-media-stream",
                "--use-fake-device-for-media-stream",
                f"--use-file-for-fake-video-capture={clip}",
            ],
        )
        tab = browser.new_page(viewport={"width": 390, "height": 844})
        tab.set_default_timeout(_PATIENCE_MS)
        tab.goto(str(page.base_url).replace("127.0.0.1", "localhost"))
        tab.fill("#token", TOKEN)
        tab.click("button[type=submit]")
        tab.select_option("#own-feed", "phone")
        tab.click("#own-button")
        running.until(lambda: bool(running.alerts()))
        expect(tab.locator("#own-facts")).to_contain_text("shown above", timeout=_PATIENCE_MS)
        expect(tab.locator("#episodes")).to_contain_text("phone", timeout=_PATIENCE_MS)
        if folder := os.environ.get("MASKWATCH_TEST_SCREENSHOTS"):
            tab.screenshot(path=Path(folder) / "own-390.png", full_page=True)
        tab.click("#own-button")
        expect(tab.locator("#own-note")).to_have_text("Stopped.", timeout=_PATIENCE_MS)
        browser.close()

    assert {alert.camera for alert in running.alerts()} == {"phone"}
    assert all(not alert.image.data for alert in running.alerts())
    assert running.stop() == 0


def test_stopped_read_and_unknown_cameras_take_no_frames(
    running: Service, page: httpx.Client, astronaut: Picture
) -> None:
    assert page.post("/live/cameras/desk/stop").status_code == 204
    assert [_bring(page, name, astronaut) for name in ("desk", "roof", "cellar")] == [409, 409, 404]

    assert page.post("/live/cameras/desk/start").status_code == 204
    assert _bring(page, "desk", astronaut) == 204
    assert page.post("/live/cameras/cellar/start").status_code == 404
    assert running.stop() == 0


def test_predict_answers_beside_the_cameras_and_nobody_without_the_token(
    running: Service, page: httpx.Client, astronaut: Picture
) -> None:
    _, jpeg = cv2.imencode(".jpg", astronaut)
    answer = page.post("/v1/predict", files={"file": ("a.jpg", jpeg.tobytes())})

    assert [face["label"] for face in answer.json()["faces"]] == ["no_mask"]
    for path in ("/v1/predict", "/v1/cameras/desk/frames"):
        assert httpx.post(f"{page.base_url}{path}", content=b"x").status_code == 401
    assert running.stop() == 0
    assert TOKEN not in json.dumps(running.lines)
