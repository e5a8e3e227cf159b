"""The desk behind a counter: one at a time, asked by the page's requests."""

from __future__ import annotations

import threading

import cv2
import numpy as np

from maskwatch_training.arrays import Image
from maskwatch_training.capture import keys, sources, wire
from maskwatch_training.capture import session as table
from maskwatch_training.capture.desk import Desk, Notice
from maskwatch_training.capture.sources import Pushed, Source, SourceUnusable
from maskwatch_training.capture.store import Entry

BROWSER = "this browser's camera"
_THUMB_PX = 144
_THUMB_MARGIN = 0.35  # of the face's longer side, around it
_SHOWN_QUALITY = 90


class UnknownPicture(ValueError):  # noqa: N818 - named for what is wrong, as all our errors are
    """There is no such picture, or what was handed in is none."""


class Counter:
    """Serves one desk to many threads.

    Args:
        desk: Its source is what the command line names, or a `Pushed` one.
    """

    def __init__(self, desk: Desk) -> None:
        self._desk = desk
        self._lock = threading.Lock()
        is_pushed = isinstance(desk.source, Pushed)
        self._server: Source | None = None if is_pushed else desk.source
        self._browser = desk.source if isinstance(desk.source, Pushed) else Pushed(BROWSER)

    def look(self) -> wire.State:
        """Let the source go on and say what is on the desk."""
        with self._lock:
            self._tick()
            return self._state()

    def step(self, step: wire.Step) -> wire.State:
        """Do one step.

        Raises:
            StaleFrame: The picture that the step means is not on the desk.
            KeyError: The key means nothing.
        """
        with self._lock:
            self._desk.recall(step.frame)
            self._do(step)
            self._tick()
            return self._state()

    def offer(self, encoded: bytes) -> wire.State:
        """Take a picture of the browser's camera.

        Raises:
            UnknownPicture: It is no picture.
        """
        picture = sources.decode(np.frombuffer(encoded, np.uint8))
        if picture is None:
            raise UnknownPicture("the body is no picture that can be decoded")
        with self._lock:
            if self._desk.source is self._browser:
                self._browser.offer(picture)
                self._tick()
            return self._state()

    def choose(self, name: str) -> wire.State:
        """Take pictures from the `server` or the `browser`."""
        with self._lock:
            source = self._browser if name == "browser" else self._server
            if source is None:
                self._desk.notice = Notice("the command line names no --source", is_error=True)
            elif source is not self._desk.source:
                self._desk.change_source(source)
            self._tick()
            return self._state()

    def name_person(self, name: str) -> wire.State:
        """Set the group of the pictures from now on."""
        with self._lock:
            self._desk.name_person(name)
            return self._state()

    def delete(self, stem: str) -> wire.State:
        """Erase a saved picture.

        Raises:
            UnknownPicture: It is not in the set.
        """
        with self._lock:
            self._desk.delete(self._entry(stem)["file"])
            return self._state()

    def frame(self, number: int) -> bytes:
        """Return a picture that is or was on the desk, as JPEG.

        Raises:
            StaleFrame: It is gone.
        """
        with self._lock:
            picture = self._desk.frame(number).picture
        return _jpeg(picture)

    def thumbnail(self, stem: str) -> bytes:
        """Return a saved picture's first face, or the whole without one, as a small JPEG.

        Raises:
            UnknownPicture: It is not in the set, or its file is gone.
        """
        with self._lock:
            entry = self._entry(stem)
            path = self._desk.store.picture(entry["file"])
        picture = sources.read_picture(path)
        if picture is None:
            raise UnknownPicture(f"{path.name} is gone")
        return _jpeg(cut(picture, entry["boxes"][0]["xyxy"] if entry["boxes"] else None))

    def _entry(self, stem: str) -> Entry:
        try:
            return self._desk.store.named(stem)
        except KeyError:
            raise UnknownPicture(f"{stem} is not in the set") from None

    def _do(self, step: wire.Step) -> None:
        desk = self._desk
        match step:
            case wire.KeyPressed():
                keys.DEEDS[step.key](desk)
            case wire.FaceSelected():
                desk.change(lambda session: table.hold(table.select(session, step.index)))
            case wire.BoxPlaced():
                desk.change(
                    lambda session: table.place(table.select(session, step.index), step.box)
                )
            case wire.BoxDrawn():
                desk.draw(step.box)
            case wire.Held():
                desk.change(table.hold)

    def _tick(self) -> None:
        try:
            self._desk.tick()
        except SourceUnusable as error:
            self._desk.notice = Notice(str(error), is_error=True)

    def _state(self) -> wire.State:
        name = None if self._server is None else self._server.name
        is_browser = self._desk.source is self._browser
        return wire.state(self._desk, server_source=name, is_browser=is_browser)


def cut(picture: Image, xyxy: list[float] | None) -> Image:
    """Return a small square: a face with some room around it, or the middle of the picture."""
    height, width = picture.shape[:2]
    x1, y1, x2, y2 = xyxy or (0, 0, width, height)
    side = max(x2 - x1, y2 - y1) * (1 + 2 * _THUMB_MARGIN) if xyxy else float(min(width, height))
    side = min(side, width, height)
    left = round(min(max((x1 + x2 - side) / 2, 0), width - side))
    top = round(min(max((y1 + y2 - side) / 2, 0), height - side))
    part = picture[top : top + max(1, round(side)), left : left + max(1, round(side))]
    sized = cv2.resize(part, (_THUMB_PX, _THUMB_PX), interpolation=cv2.INTER_AREA)
    return np.asarray(sized, np.uint8)


def _jpeg(picture: Image) -> bytes:
    bgr = cv2.cvtColor(picture, cv2.COLOR_RGB2BGR)
    _, encoded = cv2.imencode(".jpg", bgr, [cv2.IMWRITE_JPEG_QUALITY, _SHOWN_QUALITY])
    return np.asarray(encoded, np.uint8).tobytes()
