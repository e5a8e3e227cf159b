"""What every source has in common."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from maskwatch_runtime.clock import Clock

from edge_detector.vision.arrays import Picture


@dataclass(frozen=True, slots=True)
class Frame:
    """One picture of the source.

    Attributes:
        image_bgr: Shape (H, W, 3).
        taken_at: When it was read.
        at_s: Its moment on the source's own time line, in seconds; rises from frame to frame.
        is_scene: It has nothing to do with the frame before it: a photo of its own.
    """

    image_bgr: Picture
    taken_at: datetime
    at_s: float
    is_scene: bool = False


class Stop(Protocol):
    """Ends the reading; `threading.Event` is one."""

    def is_set(self) -> bool: ...
    def wait(self, timeout: float) -> bool: ...


class Source(Protocol):
    """Where frames come from."""

    def frames(self, stop: Stop) -> Iterator[Frame]:
        """Yield frames until the source ends or `stop` is set.

        Raises:
            SourceAway: It cannot be opened or read; opening it anew may help.
        """
        ...


class SourceAway(Exception):  # noqa: N818 - named for what is wrong
    """A camera or a stream that cannot be opened or gives no frame; never holds an address."""


class UnreadablePicture(Exception):  # noqa: N818 - named for what is wrong
    """A file that is no picture; the message says why."""


@dataclass(frozen=True, slots=True)
class Pace:
    """When the next frame is due.

    Attributes:
        clock: Where the time comes from.
        is_kept: Frames come at their own rate; otherwise as fast as they can be read.
    """

    clock: Clock
    is_kept: bool

    def wait_until(self, due_s: float, *, stop: Stop) -> None:
        """Return when the clock's monotonic time is `due_s`, or `stop` is set."""
        ahead_s = due_s - self.clock.monotonic_s()
        if self.is_kept and ahead_s > 0:
            stop.wait(ahead_s)


# Of a period. A camera of just the rate that is asked for is now a little early, now a little late:
# without it every other of its frames would be left out.
_EARLY = 0.25


class Sampler:
    """Chooses which frames of a camera to keep: at most `fps` a second, evenly in the mean."""

    def __init__(self, fps: float) -> None:
        self._period_s = 1 / fps
        self._due_s: float | None = None

    def is_due(self, now_s: float) -> bool:
        """Return whether a frame of this moment (monotonic, in seconds) is to be kept."""
        if self._due_s is not None and now_s < self._due_s - _EARLY * self._period_s:
            return False
        # From the moment that was planned, not from now: else 10 of 25 a second become 8.
        planned_s = now_s if self._due_s is None else self._due_s + self._period_s
        is_behind = self._due_s is None or planned_s <= now_s
        self._due_s = now_s + self._period_s if is_behind else planned_s
        return True
