"""A camera whose frames are brought: posted by HTTP, or sent by a browser."""

import threading
from collections.abc import Iterator
from datetime import datetime

from maskwatch_runtime.clock import Clock

from edge_detector.sources.base import Frame, Stop
from edge_detector.vision.arrays import Picture

_LOOK_S = 0.2


class PushedSource:
    """Hands on what `put` brings, at most `fps` frames a second; of those waiting, the latest.

    Args:
        fps: Frames handed on a second.
        clock: Gives the frames their place on the source's time line.
    """

    def __init__(self, *, fps: float, clock: Clock) -> None:
        self._period_s = 1 / fps
        self._clock = clock
        self._filled = threading.Condition()
        self._frame: Frame | None = None
        self._due_s = 0.0

    def put(self, image_bgr: Picture, taken_at: datetime) -> bool:
        """Offer a frame, from any thread; return whether one that still waited gave way.

        Args:
            image_bgr: Shape (H, W, 3); taken over, not copied.
            taken_at: When it was taken, as far as the sender knows; aware.

        Raises:
            ValueError: It is no colour picture.
        """
        if image_bgr.ndim != 3 or image_bgr.shape[2] != 3 or not image_bgr.size:
            raise ValueError(f"a frame has the shape (H, W, 3), not {image_bgr.shape}")
        with self._filled:
            has_given_way = self._frame is not None
            self._frame = Frame(image_bgr, taken_at, self._clock.monotonic_s())
            self._filled.notify()
        return has_given_way

    def take(self, *, timeout_s: float) -> Frame | None:
        """Return the latest frame, not sooner than the rate allows; None when none came in time."""
        with self._filled:
            self._filled.wait_for(lambda: self._frame is not None, timeout_s)
            early_s = self._due_s - self._clock.monotonic_s()
            if self._frame is not None and early_s > 0:
                # Meanwhile a newer frame may take its place.
                self._filled.wait_for(lambda: False, min(early_s, timeout_s))
            now_s = self._clock.monotonic_s()
            if self._frame is None or now_s < self._due_s:
                return None
            frame, self._frame = self._frame, None
            self._due_s = now_s + self._period_s
            return frame

    def frames(self, stop: Stop) -> Iterator[Frame]:
        while not stop.is_set():
            frame = self.take(timeout_s=min(_LOOK_S, self._period_s))
            if frame is not None:
                yield frame
