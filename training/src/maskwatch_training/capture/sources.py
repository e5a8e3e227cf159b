"""Where pictures come from: a camera, a film, a folder, a single picture."""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Protocol

import cv2
import numpy as np

from maskwatch_training.arrays import Image
from maskwatch_training.capture.session import Frame

PICTURE_SUFFIXES = frozenset({".jpg", ".jpeg", ".png", ".bmp", ".webp", ".tif", ".tiff"})
_FIRST_FRAME_S = 10.0  # a USB camera takes a second or two
_MISSES_MAX = 30  # reads in a row that bring nothing: the camera is gone


class SourceUnusable(ValueError):  # noqa: N818 - named for what is wrong, as all our errors are
    """There is nothing to label there; the message names the source."""


class Source(Protocol):
    """Gives pictures, one at a time.

    Attributes:
        name: For people, and for the field `source` of what is saved.
        is_live: Pictures come by themselves and one that is not taken is gone.
        unreadable: How many pictures could not be read.
    """

    name: str
    is_live: bool
    unreadable: int

    def take(self) -> Frame | None:
        """Return the next picture; none: a live source has no new one, any other has ended."""
        ...

    def close(self) -> None:
        """Release what is behind it."""
        ...


class Pictures:
    """Picture files, each once; turned upright as their EXIF says.

    Args:
        name: The folder or the file.
        paths: The files, in their order.
    """

    is_live = False

    def __init__(self, name: str, paths: Sequence[Path]) -> None:
        self.name = name
        self.unreadable = 0
        self._paths = list(enumerate(paths))[::-1]

    def take(self) -> Frame | None:
        while self._paths:
            number, path = self._paths.pop()
            picture = read_picture(path)
            if picture is not None:
                return Frame(picture, path.name, number)
            self.unreadable += 1
            print(f"left out: {path} is no picture that can be decoded", file=sys.stderr)
        return None

    def close(self) -> None:
        self._paths.clear()


class Film:
    """Every n-th frame of a video file.

    Args:
        path: The file.
        every: 1 gives every frame.
        first: Number of the first frame given, counted from 0.

    Raises:
        SourceUnusable: It cannot be decoded.
    """

    is_live = False

    def __init__(self, path: Path, *, every: int, first: int = 0) -> None:
        self.name = path.name
        self.unreadable = 0
        # Only this backend: the others take a file name for a pattern of numbered pictures.
        self._capture = cv2.VideoCapture(str(path), cv2.CAP_FFMPEG)
        if not self._capture.isOpened():
            raise SourceUnusable(f"--source: {path} is neither a picture nor a film")
        self._every = every
        self._number = 0
        self._due = first

    def take(self) -> Frame | None:
        while self._capture.grab():
            number = self._number
            self._number += 1
            if number < self._due:
                continue
            is_read, bgr = self._capture.retrieve()
            if not is_read:
                self.unreadable += 1
                continue
            self._due = number + self._every
            return Frame(_rgb(np.asarray(bgr, np.uint8)), self.name, number)
        return None

    def close(self) -> None:
        self._capture.release()


class Camera:
    """The newest frame of a camera; a thread reads, so that no old ones queue up.

    Args:
        device: An index, or a path such as /dev/video0.
        name: For people.

    Raises:
        SourceUnusable: No camera opens there, or it gives no picture.
    """

    is_live = True

    def __init__(self, device: int | str, *, name: str) -> None:
        self.name = name
        self.unreadable = 0
        self._capture = cv2.VideoCapture(device)
        if not self._capture.isOpened():
            raise SourceUnusable(f"--source: no camera opens at {name}")
        self._fresh = threading.Condition()
        self._frame: Frame | None = None
        self._is_closed = False
        self._is_lost = False
        self._thread = threading.Thread(target=self._read, name="camera", daemon=True)
        self._thread.start()
        with self._fresh:
            self._fresh.wait_for(lambda: self._frame or self._is_lost, _FIRST_FRAME_S)
            if self._frame is None:
                self._is_closed = True
                raise SourceUnusable(f"--source: the camera at {name} gives no picture")

    def take(self) -> Frame | None:
        """Return the newest frame, once.

        Raises:
            SourceUnusable: The camera gives no pictures any more.
        """
        with self._fresh:
            frame, self._frame = self._frame, None
            if frame is None and self._is_lost:
                raise SourceUnusable(f"the camera at {self.name} gives no picture any more")
            return frame

    def close(self) -> None:
        self._is_closed = True
        self._thread.join(timeout=_FIRST_FRAME_S)

    def _read(self) -> None:
        number, misses = 0, 0
        while not self._is_closed and misses < _MISSES_MAX:
            is_read, bgr = self._capture.read()
            misses = 0 if is_read else misses + 1
            if is_read:
                frame = Frame(_rgb(np.asarray(bgr, np.uint8)), self.name, number)
                number += 1
                with self._fresh:
                    self._frame = frame
                    self._fresh.notify_all()
        with self._fresh:
            self._is_lost = True
            self._fresh.notify_all()
        self._capture.release()


class Pushed:
    """Pictures that somebody else takes and hands in, such as a browser with a camera.

    Args:
        name: For people.
    """

    is_live = True

    def __init__(self, name: str) -> None:
        self.name = name
        self.unreadable = 0
        self._frame: Frame | None = None
        self._number = 0

    def offer(self, picture: Image) -> None:
        """Hand a picture (H, W, 3) RGB in; it replaces one that was not taken."""
        self._frame = Frame(picture, self.name, self._number)
        self._number += 1

    def take(self) -> Frame | None:
        frame, self._frame = self._frame, None
        return frame

    def close(self) -> None:
        self._frame = None


FirstFrame = Callable[[str], int]  # of a film by its name: where an earlier run stopped


def open_source(text: str, *, every: int, first_frame: FirstFrame) -> Source:
    """Open what `--source` names.

    Args:
        text: A camera's index or /dev/videoN, a video file, a picture, or a folder of pictures.
        every: Of a film, every n-th frame.
        first_frame: Of a film, the number of the first frame to give.

    Raises:
        SourceUnusable: Nothing is there, or nothing that can be read.
    """
    if text.isdecimal():
        return Camera(int(text), name=f"camera {text}")
    if text.startswith("/dev/"):
        return Camera(text, name=text)
    path = Path(text)
    if path.is_dir():
        paths = pictures_in(path)
        if not paths:
            raise SourceUnusable(f"--source: the folder {path} holds no picture")
        return Pictures(path.name, paths)
    if not path.is_file():
        raise SourceUnusable(f"--source: {path} does not exist")
    if path.suffix.lower() in PICTURE_SUFFIXES:
        if read_picture(path) is None:
            raise SourceUnusable(f"--source: {path} is no picture that can be decoded")
        return Pictures(path.name, [path])
    return Film(path, every=every, first=first_frame(path.name))


def pictures_in(folder: Path) -> list[Path]:
    """Return the pictures below a folder, by name."""
    found = (path for path in folder.rglob("*") if path.suffix.lower() in PICTURE_SUFFIXES)
    return sorted(path for path in found if path.is_file())


def read_picture(path: Path) -> Image | None:
    """Return a picture file as RGB, upright; none where it is no picture."""
    try:
        encoded = np.fromfile(path, np.uint8)
    except OSError:
        return None
    return decode(encoded)


def decode(encoded: Image) -> Image | None:
    """Return a picture file's bytes as RGB (H, W, 3), upright; none where they are no picture."""
    if not encoded.size:
        return None
    try:
        bgr = cv2.imdecode(encoded, cv2.IMREAD_COLOR)
    except cv2.error:
        return None
    return None if bgr is None else _rgb(np.asarray(bgr, np.uint8))


def _rgb(bgr: Image) -> Image:
    return np.asarray(cv2.cvtColor(bgr, cv2.COLOR_BGR2RGB), np.uint8)
