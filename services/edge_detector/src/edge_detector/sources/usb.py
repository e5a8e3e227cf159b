"""A USB camera: read by a thread of its own, the latest frame wins."""

import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, Protocol

import cv2
import numpy as np
import structlog
from maskwatch_runtime.health import Health
from maskwatch_runtime.retry import Backoff

from edge_detector.sources.files import Frame, Pace, Stop
from edge_detector.vision.arrays import Picture

_log = structlog.get_logger()
_BACKOFF_CAP_S = 60.0


class Capture(Protocol):
    """An opened camera; `cv2.VideoCapture` is one."""

    def read(self) -> tuple[bool, Any]: ...
    def release(self) -> None: ...


class CameraAway(Exception):  # noqa: N818 - named for what is wrong
    """The camera cannot be opened or gives no frame."""


def open_camera(index: int) -> Capture:
    """Open the USB camera with this index.

    Raises:
        CameraAway: It is not there or in use.
    """
    capture = cv2.VideoCapture(index)
    if not capture.isOpened():
        capture.release()
        raise CameraAway(f"camera {index} cannot be opened")
    return capture


@dataclass(frozen=True, slots=True)
class Observer:
    """Who is told what happens to the camera."""

    health: Health
    on_overwritten: Callable[[], None]
    on_reconnect: Callable[[], None]


class LiveSource:
    """Frames of a camera, at most `fps_max` a second; those nobody had time for are dropped.

    A camera that goes away is waited for: the service is not ready meanwhile.
    """

    def __init__(
        self,
        open_capture: Callable[[], Capture],
        *,
        fps_max: float,
        pace: Pace,
        observer: Observer,
        backoff: Backoff | None = None,
    ) -> None:
        self._open = open_capture
        self._fps_max = fps_max
        self._pace = pace
        self._observer = observer
        self._backoff = backoff or Backoff(initial_s=0.5, cap_s=_BACKOFF_CAP_S)
        # A read that never returns (OpenCV issues 22677 and 24393) must fail liveness.
        self._progress = observer.health.track("camera")

    def frames(self, stop: Stop) -> Iterator[Frame]:
        latest = _Latest(self._observer.on_overwritten)
        # A daemon: a read that hangs may not keep the process from ending.
        reader = threading.Thread(
            target=self._read, args=(latest, stop), name="camera", daemon=True
        )
        reader.start()
        while not stop.is_set():
            begin_s = self._pace.clock.monotonic_s()
            frame = latest.take(timeout_s=0.2)
            if frame is not None:
                yield frame
                self._pace.wait_until(begin_s + 1 / self._fps_max, stop=stop)
        reader.join(timeout=1.0)

    def _read(self, latest: "_Latest", stop: Stop) -> None:
        while not stop.is_set():
            try:
                self._read_until_away(latest, stop)
            except CameraAway as error:
                self._progress.made()
                self._observer.health.missing("camera", str(error))
                self._observer.on_reconnect()
                delay_s = self._backoff.next_s()
                _log.warning(
                    "waiting for the camera",
                    action="reconnect",
                    reason=str(error),
                    delay_s=round(delay_s, 2),
                )
                stop.wait(delay_s)

    def _read_until_away(self, latest: "_Latest", stop: Stop) -> None:
        capture = self._open()
        try:
            while not stop.is_set():
                self._progress.waits()
                is_read, picture = capture.read()
                if not is_read:
                    raise CameraAway("the camera gives no frame")
                self._progress.made()
                self._observer.health.present("camera")
                self._backoff.reset()
                latest.put(self._frame(np.asarray(picture, np.uint8)))
        finally:
            capture.release()

    def _frame(self, picture: Picture) -> Frame:
        clock = self._pace.clock
        return Frame(picture, clock.now(), clock.monotonic_s())


class _Latest:
    """One frame between two threads; a newer one takes its place."""

    def __init__(self, on_overwritten: Callable[[], None]) -> None:
        self._on_overwritten = on_overwritten
        self._filled = threading.Condition()
        self._frame: Frame | None = None

    def put(self, frame: Frame) -> None:
        with self._filled:
            if self._frame is not None:
                self._on_overwritten()
            self._frame = frame
            self._filled.notify()

    def take(self, *, timeout_s: float) -> Frame | None:
        with self._filled:
            if self._frame is None:
                self._filled.wait(timeout_s)
            frame, self._frame = self._frame, None
            return frame
