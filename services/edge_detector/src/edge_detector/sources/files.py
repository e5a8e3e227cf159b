"""Frames from a picture, a folder of pictures or a video file."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import structlog
from maskwatch_runtime.errors import Misconfigured

from edge_detector.sources.base import Frame, Pace, Source, Stop, UnreadablePicture
from edge_detector.vision.arrays import Picture

PICTURE_SUFFIXES = frozenset({".jpg", ".jpeg", ".png", ".bmp", ".webp", ".tif", ".tiff"})
_VIDEO_FPS_DEFAULT = 25.0
# A file above this is no photo of a camera; decoding it could take all memory.
_PICTURE_BYTES_MAX = 64 * 1024 * 1024
_log = structlog.get_logger()


def read_picture(path: Path) -> Picture:
    """Return the picture in px as they are stored: rotation tags are not obeyed.

    Raises:
        UnreadablePicture: The file is missing, empty, too large or no picture.
    """
    try:
        size_bytes = path.stat().st_size
        if not 0 < size_bytes <= _PICTURE_BYTES_MAX:
            raise UnreadablePicture(f"{path} has {size_bytes} bytes")
        encoded = np.frombuffer(path.read_bytes(), np.uint8)
    except OSError as error:
        raise UnreadablePicture(f"{path} cannot be read: {error.strerror}") from error
    return decode_picture(encoded, name=str(path))


def decode_picture(encoded: Picture, *, name: str) -> Picture:
    """Return the picture that the bytes are, shape (H, W, 3) BGR.

    Raises:
        UnreadablePicture: They are none; `name` stands in the message.
    """
    try:
        picture = cv2.imdecode(encoded, cv2.IMREAD_COLOR | cv2.IMREAD_IGNORE_ORIENTATION)
    except cv2.error as error:
        raise UnreadablePicture(f"{name} cannot be decoded: {error.err}") from error
    if picture is None:
        raise UnreadablePicture(f"{name} is no picture that can be decoded")
    return np.asarray(picture, np.uint8)


def pictures_in(folder: Path) -> list[Path]:
    """Return the pictures below a folder, by name."""
    return sorted(
        path
        for path in folder.rglob("*")
        if path.suffix.lower() in PICTURE_SUFFIXES and path.is_file()
    )


class PictureSource:
    """Pictures one after the other.

    Args:
        paths: At least one.
        are_scenes: Each stands for itself; otherwise they are the frames of one scene.
        fps: How many a second.
        pace: Whether that rate is kept in real time.
        on_unreadable: Told of each file that is skipped.
    """

    def __init__(
        self,
        paths: list[Path],
        *,
        are_scenes: bool,
        fps: float,
        pace: Pace,
        on_unreadable: Callable[[], None],
    ) -> None:
        self._paths = paths
        self._are_scenes = are_scenes
        self._fps = fps
        self._pace = pace
        self._on_unreadable = on_unreadable

    def frames(self, stop: Stop) -> Iterator[Frame]:
        begin_s = self._pace.clock.monotonic_s()
        for number, path in enumerate(self._paths):
            at_s = number / self._fps
            self._pace.wait_until(begin_s + at_s, stop=stop)
            if stop.is_set():
                return
            try:
                picture = read_picture(path)
            except UnreadablePicture as error:
                _log.warning("picture skipped", action="read", reason=str(error))
                self._on_unreadable()
                continue
            yield Frame(picture, self._pace.clock.now(), at_s, is_scene=self._are_scenes)


class VideoSource:
    """Every frame of a video file."""

    def __init__(self, path: Path, *, pace: Pace, on_unreadable: Callable[[], None]) -> None:
        self._path = path
        self._pace = pace
        self._on_unreadable = on_unreadable

    def frames(self, stop: Stop) -> Iterator[Frame]:
        # Only this backend: the others take a file name for a pattern of numbered pictures.
        capture = cv2.VideoCapture(str(self._path), cv2.CAP_FFMPEG)
        try:
            number = 0
            for frame in self._frames(capture, stop):
                number += 1
                yield frame
            if not number and not stop.is_set():
                _log.warning(
                    "video skipped", action="read", reason=f"{self._path} cannot be decoded"
                )
                self._on_unreadable()
        finally:
            capture.release()

    def _frames(self, capture: cv2.VideoCapture, stop: Stop) -> Iterator[Frame]:
        fps = _frame_rate(capture.get(cv2.CAP_PROP_FPS))
        begin_s = self._pace.clock.monotonic_s()
        number = 0
        while not stop.is_set():
            is_read, picture = capture.read()
            if not is_read:
                return
            at_s = number / fps
            self._pace.wait_until(begin_s + at_s, stop=stop)
            yield Frame(np.asarray(picture, np.uint8), self._pace.clock.now(), at_s)
            number += 1


class LoopedSource:
    """A source that begins anew when it ends; its time line goes on.

    Args:
        source: What is repeated.
        gap_s: From the last frame of a pass to the first one of the next.
        pace: Whether that gap is kept in real time.
    """

    def __init__(self, source: Source, *, gap_s: float, pace: Pace) -> None:
        self._source = source
        self._gap_s = gap_s
        self._pace = pace

    def frames(self, stop: Stop) -> Iterator[Frame]:
        offset_s = 0.0
        while not stop.is_set():
            last_s: float | None = None
            read_s = self._pace.clock.monotonic_s()
            for frame in self._source.frames(stop):
                last_s = frame.at_s + offset_s
                read_s = self._pace.clock.monotonic_s()
                yield Frame(frame.image_bgr, frame.taken_at, last_s, frame.is_scene)
            if last_s is None:  # nothing in it can be read, and never will be
                return
            offset_s = last_s + self._gap_s
            self._pace.wait_until(read_s + self._gap_s, stop=stop)


@dataclass(frozen=True, slots=True)
class FileOptions:
    """How a file or a folder becomes frames; `fps` is for pictures, a video has its own."""

    pictures_are_scenes: bool
    fps: float
    is_looped: bool


def open_files(
    source: Path, options: FileOptions, *, pace: Pace, on_unreadable: Callable[[], None]
) -> Source:
    """Return the source that a picture, a folder of pictures or a video file is.

    Raises:
        Misconfigured: There is nothing at the path, or a folder without pictures.
    """
    if not source.exists():
        raise Misconfigured(f"MASKWATCH_SOURCE: {source} does not exist")
    paths = pictures_in(source) if source.is_dir() else [source]
    if not paths:
        raise Misconfigured(
            f"MASKWATCH_SOURCE: the folder {source} holds no picture"
            f" ({', '.join(sorted(PICTURE_SUFFIXES))})"
        )
    opened: Source
    if paths[0].suffix.lower() in PICTURE_SUFFIXES:
        opened = PictureSource(
            paths,
            are_scenes=options.pictures_are_scenes,
            fps=options.fps,
            pace=pace,
            on_unreadable=on_unreadable,
        )
        gap_s = 1 / options.fps
    else:
        opened = VideoSource(source, pace=pace, on_unreadable=on_unreadable)
        gap_s = 1 / _VIDEO_FPS_DEFAULT
    return LoopedSource(opened, gap_s=gap_s, pace=pace) if options.is_looped else opened


def _frame_rate(told: float) -> float:
    """Return frames a second; files without a rate tell 0, NaN or the container's time base."""
    return told if 1.0 <= told <= 240.0 else _VIDEO_FPS_DEFAULT
