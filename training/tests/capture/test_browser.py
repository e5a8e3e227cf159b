"""The page in Chromium, with a camera that shows a portrait."""

import threading
from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np
import pytest
from maskwatch_training.arrays import Image
from maskwatch_training.capture import counter
from maskwatch_training.capture.desk import Desk
from maskwatch_training.capture.faces import Finder
from maskwatch_training.capture.groups import OnePerson
from maskwatch_training.capture.page import Page as Served
from maskwatch_training.capture.sources import Pictures, Pushed, Source
from maskwatch_training.capture.store import Store
from playwright.sync_api import Browser, Page, expect, sync_playwright

CHROMIUM = Path("/usr/bin/chromium")
pytestmark = pytest.mark.skipif(not CHROMIUM.exists(), reason=f"no {CHROMIUM}")


@pytest.fixture(scope="module")
def camera_film(tmp_path_factory: pytest.TempPathFactory, portrait: Image) -> Path:
    """What the fake camera shows, as Motion JPEG: the portrait, swaying a little."""
    path = tmp_path_factory.mktemp("camera") / "camera.mjpeg"
    face = cv2.resize(cv2.cvtColor(portrait, cv2.COLOR_RGB2BGR), (400, 470))
    with path.open("wb") as file:
        for number in range(20):
            scene = np.full((480, 640, 3), 140, np.uint8)
            scene[10:, 100 + number : 500 + number] = face
            file.write(cv2.imencode(".jpg", scene)[1].tobytes())
    return path


@pytest.fixture(scope="module")
def browser(camera_film: Path) -> Iterator[Browser]:
    fake = ["--use-fake-device-for-media-stream", "--use-fake-ui-for-media-stream"]
    shown = f"--use-file-for-fake-video-capture={camera_film}"
    with sync_playwright() as driver:
        # Without the sandbox: a container's root may not have one.
        browser = driver.chromium.launch(
            executable_path=CHROMIUM, args=[*fake, shown, "--no-sandbox"]
        )
        yield browser
        browser.close()


@pytest.fixture
def serve(store: Store, finder: Finder) -> Iterator["Serving"]:
    serving = Serving(store, finder)
    yield serving
    serving.end()


class Serving:
    """Serves one desk at a time."""

    def __init__(self, store: Store, finder: Finder) -> None:
        self._store, self._finder = store, finder
        self._served: Served | None = None
        self.thread = threading.Thread()

    def __call__(self, source: Source) -> str:
        person = OnePerson("anna")
        desk = Desk(self._store, self._finder, source=source, person=person, set_name="own")
        self._served = Served(desk, host="127.0.0.1", port=0)
        self.thread = threading.Thread(target=self._served.run)
        self.thread.start()
        return self._served.url

    def end(self) -> None:
        if self._served is not None:
            self._served.stop()
            self.thread.join(timeout=20)


@pytest.fixture(params=[390, 1200])
def tab(browser: Browser, serve: Serving, request: pytest.FixtureRequest) -> Iterator[Page]:
    """A tab in a narrow and in a wide window; a script's error or a blocked file fails the test."""
    assert not serve.thread.is_alive()  # it ends after the tab is closed
    context = browser.new_context(viewport={"width": request.param, "height": 844})
    tab = context.new_page()
    wrong: list[str] = []
    tab.on("pageerror", lambda error: wrong.append(str(error)))
    tab.on("console", lambda said: wrong.append(said.text) if said.type == "error" else None)
    yield tab
    context.close()
    assert wrong == []


def _drag(tab: Page, start: tuple[float, float], end: tuple[float, float]) -> None:
    """Drag in px of the picture."""
    place = """([x, y]) => {
        const at = new DOMPoint(x, y).matrixTransform(
            document.getElementById("overlay").getScreenCTM());
        return [at.x, at.y];
    }"""
    tab.mouse.move(*tab.evaluate(place, start))
    tab.mouse.down()
    tab.mouse.move(*tab.evaluate(place, end), steps=4)
    tab.mouse.up()


def test_own_camera_is_labelled_with_the_keyboard(tab: Page, serve: Serving, store: Store) -> None:
    tab.goto(serve(Pushed(counter.BROWSER)))
    tab.get_by_role("button", name="This camera").click()
    expect(tab.get_by_role("button", name="Face 1: which?")).to_be_visible()
    tab.keyboard.press("m")
    expect(tab.locator("#count-mask")).to_have_text("1")
    box = tab.locator("#overlay .selected .box")
    # The portrait sways: a box elsewhere is a new picture.
    expect(box).not_to_have_attribute("x", box.get_attribute("x") or "")
    tab.keyboard.press("Space")
    expect(tab.locator("#live")).to_have_text("held")
    tab.get_by_role("button", name="No mask", exact=False).first.click()
    expect(tab.locator("#count-no_mask")).to_have_text("1")
    expect(tab.locator("#live")).to_have_text("live")
    entry = store.entries[0]
    assert (entry["width"], entry["height"]) == (640, 480)
    x1, _, x2, _ = entry["boxes"][0]["xyxy"]
    # The face of the portrait is where the fake camera shows it, sway and all.
    assert 210 < x1 < 270
    assert 350 < x2 < 400
    assert len(entry["boxes"][0]["eyes"]) == 2


def test_box_is_dragged_drawn_and_taken_back(
    tab: Page, serve: Serving, store: Store, portrait_path: Path
) -> None:
    tab.goto(serve(Pictures("portraits", [portrait_path])))
    expect(tab.get_by_role("button", name="Face 1: which?")).to_be_visible()
    _drag(tab, (347, 327), (380, 350))
    _drag(tab, (20, 400), (120, 520))
    expect(tab.get_by_role("button", name="Face 2: which?")).to_be_visible()
    tab.keyboard.press("b")
    tab.keyboard.press("n")
    expect(tab.locator("#empty-text")).to_contain_text("last picture of portraits")
    found, drawn = store.entries[0]["boxes"]
    assert (found["label"], drawn["label"]) == ("no_mask", "bad_mask")
    assert found["xyxy"] == pytest.approx([167, 133, 380, 350], abs=8)
    assert drawn["xyxy"] == pytest.approx([20, 400, 120, 520], abs=3)
    tab.get_by_role("button", name="Undo").click()
    expect(tab.get_by_role("button", name="Face 2: which?")).to_be_visible()
    assert store.entries == []


def test_picture_is_deleted_after_a_question(
    tab: Page, serve: Serving, store: Store, portrait_path: Path
) -> None:
    tab.goto(serve(Pictures("portraits", [portrait_path])))
    expect(tab.get_by_role("button", name="Face 1: which?")).to_be_visible()
    tab.keyboard.press("m")
    thumbnail = tab.get_by_role("img", name="Saved picture: mask")
    expect(thumbnail).to_have_js_property("naturalWidth", 144)
    tab.get_by_role("button", name="Delete this picture: mask").click()
    tab.get_by_role("button", name="Cancel").click()
    assert len(store.entries) == 1
    tab.get_by_role("button", name="Delete this picture: mask").click()
    tab.get_by_role("button", name="Delete", exact=True).click()
    expect(thumbnail).to_have_count(0)
    assert store.entries == []


def test_letters_typed_into_the_name_label_nothing(
    tab: Page, serve: Serving, store: Store, portrait_path: Path
) -> None:
    tab.goto(serve(Pictures("portraits", [portrait_path])))
    expect(tab.get_by_role("button", name="Face 1: which?")).to_be_visible()
    tab.get_by_label("Person").fill("")
    tab.get_by_label("Person").type("benm")
    tab.keyboard.press("Enter")
    expect(tab.locator("#notice")).to_have_text("Group: benm")
    assert store.entries == []
    tab.get_by_label("Letter keys").uncheck()
    tab.locator("body").press("m")
    tab.locator("#overlay").press("m")
    expect(tab.locator("#count-mask")).to_have_text("1")
    assert store.entries[0]["group"] == "own/benm"


def test_arrows_move_the_box_of_the_focused_picture(
    tab: Page, serve: Serving, portrait_path: Path
) -> None:
    tab.goto(serve(Pictures("portraits", [portrait_path])))
    box = tab.locator("#overlay .selected .box")
    expect(box).to_be_visible()
    before = float(box.get_attribute("x") or 0)
    tab.locator("#overlay").press("ArrowRight")
    expect(box).not_to_have_attribute("x", str(before))
    assert before < float(box.get_attribute("x") or 0) < before + 8


def test_page_fits_its_window_and_finishes(tab: Page, serve: Serving, portrait_path: Path) -> None:
    tab.goto(serve(Pictures("portraits", [portrait_path])))
    expect(tab.get_by_role("button", name="Face 1: which?")).to_be_visible()
    assert tab.evaluate("document.documentElement.scrollWidth <= window.innerWidth")
    unnamed = """() => [...document.querySelectorAll("button, input")].filter(
        (it) => !it.textContent.trim() && !it.labels?.length && !it.hidden).length"""
    assert tab.evaluate(unnamed) == 0
    tab.get_by_role("button", name="Finish").click()
    tab.get_by_role("dialog").get_by_role("button", name="Finish").click()
    expect(tab.locator("#notice")).to_have_text("Finished: this page can be closed.")
    serve.thread.join(timeout=20)
    assert not serve.thread.is_alive()
