import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np
import pytest
from maskwatch_training.arrays import Image
from maskwatch_training.capture import drawing, window
from maskwatch_training.capture.desk import Desk
from maskwatch_training.capture.store import Store
from maskwatch_training.capture.testing import Sheets, desk_on, frame

ONE, OTHER = (20.0, 20.0, 40.0, 40.0), (60.0, 20.0, 90.0, 60.0)


class Screen:
    """A screen that shows nothing and at which the given keys are pressed."""

    def __init__(self, codes: list[int], *, is_closed_at_the_end: bool = False) -> None:
        self.codes = codes
        self.shown: list[Image] = []
        self._is_closed_at_the_end = is_closed_at_the_end

    def show(self, picture: Image) -> None:
        self.shown.append(picture)

    def key(self) -> int:
        return self.codes.pop(0) if self.codes else -1

    def is_open(self) -> bool:
        return bool(self.codes) or not self._is_closed_at_the_end


@pytest.fixture
def desk(store: Store) -> Desk:
    desk = desk_on(store, Sheets(frame(90), frame(91)), ONE, OTHER)
    desk.tick()
    return desk


def _drag(mouse: window.Mouse, start: tuple[float, float], end: tuple[float, float]) -> None:
    """Drag in px of the picture of 100x80, which the window shows eight times as large."""
    placed = drawing.layout((100, 80))
    events = (cv2.EVENT_LBUTTONDOWN, cv2.EVENT_MOUSEMOVE, cv2.EVENT_LBUTTONUP)
    for event, (x, y) in zip(events, (start, end, end), strict=True):
        mouse.on_event(
            event, round(x * placed.scale + placed.left), round(y * placed.scale + placed.top), 0
        )


def test_mouse_drags_a_corner_of_the_meant_box(desk: Desk) -> None:
    _drag(window.Mouse(desk), (90, 60), (95, 70))
    assert desk.session.faces[1].box == pytest.approx((60, 20, 95, 70), abs=0.2)


def test_mouse_selects_another_box_and_moves_it(desk: Desk) -> None:
    _drag(window.Mouse(desk), (30, 30), (25, 35))
    assert desk.session.selected == 0
    assert desk.session.faces[0].box == pytest.approx((15, 25, 35, 45), abs=0.2)


def test_mouse_draws_a_new_box_beside_the_others(desk: Desk) -> None:
    mouse = window.Mouse(desk)
    _drag(mouse, (10, 60), (30, 78))
    assert desk.session.faces[2].box == pytest.approx((10, 60, 30, 78), abs=0.2)
    _drag(mouse, (48, 70), (49, 71))
    assert len(desk.session.faces) == 3
    assert mouse.drawn is None


def test_mouse_holds_a_live_picture(store: Store) -> None:
    desk = desk_on(store, Sheets(frame(1), frame(2), is_live=True), ONE)
    mouse = window.Mouse(desk)
    _drag(mouse, (30, 30), (31, 31))
    desk.tick()
    mouse.on_event(cv2.EVENT_LBUTTONDOWN, 480, 320, 0)
    desk.tick()
    assert desk.session.frame is not None
    assert desk.session.frame.number == 1


@pytest.mark.parametrize(
    ("code", "name"),
    [
        (-1, None),
        (ord("M"), "m"),
        (ord(" "), " "),
        (9, "tab"),
        (0xFF08, "backspace"),
        (0x10FF51, "left"),
        (0xFFE1, None),
    ],
)
def test_key_codes_have_names(code: int, name: str | None) -> None:
    assert window.key_name(code) == name


def test_keys_label_until_one_quits(desk: Desk, store: Store) -> None:
    screen = Screen([-1, ord("m"), ord("b"), ord("y"), ord("s"), ord("q")])
    window.attend(desk, screen, window.Mouse(desk))
    assert store.counts == {"mask": 1, "no_mask": 0, "bad_mask": 1, "no_face": 0}
    assert desk.has_ended
    assert screen.shown[-1].shape == (752, 960, 3)


def test_closed_window_ends(desk: Desk, store: Store) -> None:
    window.attend(desk, Screen([-1, ord("m")], is_closed_at_the_end=True), window.Mouse(desk))
    assert store.entries == []


def test_window_shows_boxes_where_they_are(desk: Desk) -> None:
    shown = drawing.render(desk, (5.0, 60.0, 15.0, 75.0))
    placed = drawing.layout((100, 80))
    for box in (OTHER, (5.0, 60.0, 15.0, 75.0)):
        x1, y1, _, y2 = placed.to_window(box)
        assert shown[round((y1 + y2) / 2) + 10, round(x1)].tolist() == [255, 255, 255]
    assert shown[320, 480].tolist() == [90, 90, 90]


def test_window_without_a_picture_says_so(store: Store) -> None:
    waiting = desk_on(store, Sheets(is_live=True))
    ended = desk_on(store, Sheets())
    ended.tick()
    ended.undo()
    pictures = [drawing.render(desk, None) for desk in (waiting, ended)]
    assert all(np.unique(picture.reshape(-1, 3), axis=0).shape[0] > 5 for picture in pictures)
    assert (pictures[0] != pictures[1]).any()


@pytest.fixture
def display() -> Iterator[str]:
    if not window.has_windows():
        pytest.skip("this OpenCV shows no windows")
    if os.environ.get("DISPLAY"):
        yield os.environ["DISPLAY"]
        return
    server = shutil.which("Xvfb")
    if server is None:
        pytest.skip("no display, and no Xvfb to make one")
    reading, writing = os.pipe()
    process = subprocess.Popen(
        [server, "-displayfd", str(writing), "-screen", "0", "1280x900x24"],
        pass_fds=[writing],
        stderr=subprocess.DEVNULL,
    )
    os.close(writing)
    with os.fdopen(reading) as answer:
        number = answer.readline().strip()
    yield f":{number}"
    process.terminate()
    process.wait(timeout=10)


def _until(condition: str, *command: str, environment: dict[str, str]) -> str:
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
        if done.returncode == 0 and done.stdout.strip():
            return done.stdout.split()[0]
        time.sleep(0.2)
    pytest.fail(condition)


def test_window_on_a_display_labels_a_film(display: str, film: Path, tmp_path: Path) -> None:
    tool = shutil.which("xdotool")
    if tool is None:
        pytest.skip("no xdotool to press keys with")
    environment = os.environ | {"DISPLAY": display}
    labelled = tmp_path / "set" / "captured.jsonl"
    command = [sys.executable, "-m", "maskwatch_training.cli", "capture", "--source", str(film)]
    process = subprocess.Popen(
        [*command, "--out", str(tmp_path / "set")], env=environment, stdout=subprocess.PIPE
    )
    try:
        seen = _until(
            "the window appears", tool, "search", "--name", window.TITLE, environment=environment
        )
        subprocess.run([tool, "windowfocus", seen], env=environment, check=False)
        press = [tool, "key", "--delay", "300"]
        subprocess.run([*press, "m"], env=environment, check=True)
        _until("a line is saved", "cat", str(labelled), environment=environment)
        subprocess.run([*press, "q"], env=environment, check=True)
        said, _ = process.communicate(timeout=60)
    finally:
        process.kill()
        process.wait()
    assert process.returncode == 0
    assert b"mask 1, no_mask 0" in said
    assert (tmp_path / "set" / "record-capture.json").is_file()


@pytest.mark.skipif(window.has_windows(), reason="this OpenCV shows windows")
def test_opencv_without_windows_is_told_and_the_page_offered() -> None:
    with pytest.raises(window.NoWindows, match="--page"):
        window.HighGui(lambda *_: None)
