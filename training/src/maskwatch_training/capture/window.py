"""The OpenCV window: keys, mouse, and the picture on the desk."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

import cv2
import numpy as np

from maskwatch_training.arrays import Image
from maskwatch_training.capture import boxes, drawing, keys
from maskwatch_training.capture import session as table
from maskwatch_training.capture.boxes import WHOLE, Box, Grip, Point
from maskwatch_training.capture.desk import Desk

TITLE = "Maskwatch capture"
_REACH_PX = 8.0  # of the window: how near to an edge the mouse holds it
_POLL_MS = 15
_QUIT = frozenset({"q", "escape"})
# What waitKeyEx gives under X11, and the plain codes that highgui gives elsewhere.
_NAMED = {
    9: "tab",
    8: "backspace",
    127: "delete",
    27: "escape",
    0xFF08: "backspace",
    0xFF09: "tab",
    0xFF1B: "escape",
    0xFFFF: "delete",
    0xFF51: "left",
    0xFF52: "up",
    0xFF53: "right",
    0xFF54: "down",
}


@dataclass(frozen=True)
class Hold:
    """What the mouse holds since it went down: a part of the meant box, or a new box's corner."""

    start: Point
    box: Box | None = None
    grip: Grip = WHOLE


def key_name(code: int) -> str | None:
    """Return the name of a key as `keys.DEEDS` has it; none where no key was pressed."""
    if code < 0:
        return None
    # Modifiers stand above the lower 16 bits.
    plain = code & 0xFFFF
    if plain in _NAMED:
        return _NAMED[plain]
    return chr(plain).lower() if 0x20 <= plain < 0x7F else None


class Mouse:
    """Turns the mouse into steps at the desk; places are in px of the window."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk
        self._hold: Hold | None = None
        self.drawn: Box | None = None  # being drawn, in px of the picture

    def on_event(self, event: int, x: int, y: int, *_: object) -> None:
        """Take an event of `cv2.setMouseCallback`."""
        session = self._desk.session
        if session.frame is None:
            self._hold = self.drawn = None
            return
        placed = drawing.layout(session.frame.size)
        at = placed.to_picture(x, y)
        if event == cv2.EVENT_LBUTTONDOWN:
            self._down(at, reach_px=_REACH_PX / placed.scale)
        elif self._hold is not None and event in {cv2.EVENT_MOUSEMOVE, cv2.EVENT_LBUTTONUP}:
            self._move(self._hold, at)
            if event == cv2.EVENT_LBUTTONUP:
                self._up()

    def _down(self, at: Point, *, reach_px: float) -> None:
        # A live source must not change the picture under the mouse.
        self._desk.change(table.hold)
        session = self._desk.session
        held = self._grip(at, reach_px)
        if held is None:
            self._desk.change(lambda session: table.select_at(session, at))
            session = self._desk.session
            held = self._grip(at, reach_px)
        if held is None or session.selected is None:
            self._hold = Hold(at)
        else:
            self._hold = Hold(at, session.faces[session.selected].box, held)

    def _grip(self, at: Point, reach_px: float) -> Grip | None:
        session = self._desk.session
        if session.selected is None:
            return None
        return boxes.grip(session.faces[session.selected].box, at, reach_px=reach_px)

    def _move(self, hold: Hold, at: Point) -> None:
        size = self._desk.session.size
        if hold.box is None:
            self.drawn = boxes.spanned(hold.start, at, size)
            return
        by = (at[0] - hold.start[0], at[1] - hold.start[1])
        if by != (0, 0):
            moved = boxes.drag(hold.box, hold.grip, by, size)
            self._desk.change(lambda session: table.place(session, moved))

    def _up(self) -> None:
        drawn, self._hold, self.drawn = self.drawn, None, None
        # A click beside the boxes is no box; it only holds the picture.
        if drawn is not None and boxes.is_usable(drawn):
            self._desk.draw(drawn)


class Screen(Protocol):
    """Shows pictures and hears keys and mouse; `HighGui` is one."""

    def show(self, picture: Image) -> None: ...
    def key(self) -> int: ...
    def is_open(self) -> bool: ...


class NoWindows(ValueError):  # noqa: N818 - named for what is wrong, as all our errors are
    """The installed OpenCV is built without windows; the message says what to do."""


def has_windows() -> bool:
    """Whether the installed OpenCV can show a window, given a display."""
    return re.search(r"GUI:\s+NONE", cv2.getBuildInformation()) is None


class HighGui:
    """A window of OpenCV's highgui; `on_mouse` takes its mouse events."""

    def __init__(self, on_mouse: Callable[..., None]) -> None:
        if not has_windows():
            raise NoWindows(
                "this OpenCV shows no windows: choose --page, or install opencv-python in place"
                " of opencv-python-headless"
            )
        cv2.namedWindow(TITLE, cv2.WINDOW_AUTOSIZE | cv2.WINDOW_GUI_NORMAL)
        cv2.setMouseCallback(TITLE, on_mouse)

    def show(self, picture: Image) -> None:
        """Show a picture (H, W, 3) RGB."""
        cv2.imshow(TITLE, np.ascontiguousarray(picture[..., ::-1]))

    def key(self) -> int:
        """Return the code of the key that was pressed, -1 after a moment without one."""
        return cv2.waitKeyEx(_POLL_MS)

    def is_open(self) -> bool:
        """Tell whether nobody has closed the window."""
        return cv2.getWindowProperty(TITLE, cv2.WND_PROP_VISIBLE) >= 1

    def close(self) -> None:
        """Take the window from the screen."""
        cv2.destroyAllWindows()


def run(desk: Desk) -> None:
    """Show the window until the person quits or closes it.

    Raises:
        SourceUnusable: The camera is gone; what was saved is saved.
    """
    mouse = Mouse(desk)
    screen = HighGui(mouse.on_event)
    try:
        attend(desk, screen, mouse)
    finally:
        screen.close()


def attend(desk: Desk, screen: Screen, mouse: Mouse) -> None:
    """Show the desk and do what keys say, until one quits or the screen is closed."""
    while True:
        desk.tick()
        screen.show(drawing.render(desk, mouse.drawn))
        key = key_name(screen.key())
        if key in _QUIT or not screen.is_open():
            return
        if key in keys.DEEDS:
            keys.DEEDS[key](desk)
