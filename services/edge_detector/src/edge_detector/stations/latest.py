"""A slot of one frame between a station's thread and the loop's."""

import threading

from edge_detector.sources.base import Frame, Stop

_LOOK_S = 0.2


class Latest:
    """Holds the newest frame that nobody has taken.

    Args:
        arrived: Notified when there is something to take; one for all slots of a loop.
    """

    def __init__(self, arrived: threading.Condition) -> None:
        self._arrived = arrived
        self._frame: Frame | None = None

    def put(self, frame: Frame) -> bool:
        """Put the frame in; return whether one that nobody had taken gave way."""
        with self._arrived:
            has_given_way = self._frame is not None
            self._frame = frame
            self._arrived.notify_all()
        return has_given_way

    def hand_over(self, frame: Frame, *, stop: Stop) -> None:
        """Put the frame in once the slot is empty: nothing of a file is left out.

        The frame is dropped when `stop` is set meanwhile.
        """
        with self._arrived:
            while self._frame is not None and not stop.is_set():
                self._arrived.wait(_LOOK_S)
            if not stop.is_set():
                self._frame = frame
                self._arrived.notify_all()

    def take(self) -> Frame | None:
        """Return the frame and leave the slot empty; None when it is."""
        with self._arrived:
            frame, self._frame = self._frame, None
            if frame is not None:
                self._arrived.notify_all()
            return frame

    def clear(self) -> None:
        """Forget the frame: what a stopped camera saw is not judged later."""
        with self._arrived:
            self._frame = None
            self._arrived.notify_all()

    @property
    def is_empty(self) -> bool:
        return self._frame is None
