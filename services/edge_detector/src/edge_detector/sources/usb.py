"""A USB camera (V4L2) through OpenCV."""

from collections.abc import Callable, Iterator
from typing import Any, Protocol

import cv2
import numpy as np
from maskwatch_runtime.clock import Clock

from edge_detector.sources.base import Frame, Sampler, SourceAway, Stop


class Capture(Protocol):
    """An opened camera; `cv2.VideoCapture` is one."""

    def grab(self) -> bool: ...
    def retrieve(self) -> tuple[bool, Any]: ...
    def release(self) -> None: ...


def open_camera(index: int, *, resolution_wh: tuple[int, int] | None, fps: float) -> Capture:
    """Open the USB camera with this index; resolution and rate are asked for, not promised.

    Raises:
        SourceAway: It is not there or in use.
    """
    capture = cv2.VideoCapture(index)
    if not capture.isOpened():
        capture.release()
        raise SourceAway(f"camera {index} cannot be opened")
    if resolution_wh is not None:
        # Uncompressed, USB 2 carries 1280 x 720 hardly ten times a second.
        capture.set(cv2.CAP_PROP_FOURCC, cv2.VideoWriter.fourcc(*"MJPG"))
        capture.set(cv2.CAP_PROP_FRAME_WIDTH, resolution_wh[0])
        capture.set(cv2.CAP_PROP_FRAME_HEIGHT, resolution_wh[1])
    capture.set(cv2.CAP_PROP_FPS, max(fps, 5.0))
    # An old frame is no use: the driver keeps four otherwise.
    capture.set(cv2.CAP_PROP_BUFFERSIZE, 1)
    return capture


class UsbSource:
    """Frames of a camera, at most `fps` a second; a read may hang for ever (OpenCV issue 22677).

    Args:
        open_capture: Opens it, or raises SourceAway.
        fps: Frames kept a second; the others are taken from the driver and not decoded.
        clock: Stamps the frames.
    """

    def __init__(self, open_capture: Callable[[], Capture], *, fps: float, clock: Clock) -> None:
        self._open = open_capture
        self._fps = fps
        self._clock = clock

    def frames(self, stop: Stop) -> Iterator[Frame]:
        capture = self._open()
        sampler = Sampler(self._fps)
        try:
            while not stop.is_set():
                if not capture.grab():
                    raise SourceAway("the camera gives no frame")
                at_s = self._clock.monotonic_s()
                if not sampler.is_due(at_s):
                    continue
                is_read, picture = capture.retrieve()
                if not is_read:
                    raise SourceAway("the camera gives no picture")
                yield Frame(np.asarray(picture, np.uint8), self._clock.now(), at_s)
        finally:
            capture.release()
