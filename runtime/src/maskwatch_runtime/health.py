"""Health is progress: not "the loop is alive", but "what had to be done was done"."""

from dataclasses import dataclass, field

from maskwatch_runtime.clock import Clock


@dataclass(slots=True)
class Progress:
    """Progress of one loop: not live once there is work and none was done for `stalled_after_s`."""

    clock: Clock
    stalled_after_s: float = 60.0
    _waiting_since_s: float | None = field(default=None, init=False)

    def made(self) -> None:
        """Say that work was done, or that none is waiting."""
        self._waiting_since_s = None

    def waits(self) -> None:
        """Say that work is waiting; the time counts from the first such call."""
        if self._waiting_since_s is None:
            self._waiting_since_s = self.clock.monotonic_s()

    @property
    def is_stalled(self) -> bool:
        if self._waiting_since_s is None:
            return False
        return self.clock.monotonic_s() - self._waiting_since_s > self.stalled_after_s


class Health:
    """What the service says at /health/live and /health/ready.

    Not ready names the dependencies that are away. Not live means that a restart may help; a
    dependency that is away is never a reason for one, so a loop that waits has made progress.

    Args:
        clock: Tells how long work waits.
        stalled_after_s: So long without progress is not live, for loops that say nothing else.
    """

    def __init__(self, clock: Clock, *, stalled_after_s: float = 60.0) -> None:
        self._clock = clock
        self._stalled_after_s = stalled_after_s
        self._progress: dict[str, Progress] = {}
        self._missing: dict[str, str] = {}
        self._degraded: dict[str, str] = {}

    def track(self, loop: str, *, stalled_after_s: float | None = None) -> Progress:
        progress = Progress(self._clock, stalled_after_s or self._stalled_after_s)
        self._progress[loop] = progress
        return progress

    def missing(self, dependency: str, reason: str) -> None:
        self._missing[dependency] = reason

    def present(self, dependency: str) -> None:
        self._missing.pop(dependency, None)

    def degraded(self, part: str, reason: str) -> None:
        """Say that a part works, but somebody should look after it; ready all the same."""
        self._degraded[part] = reason

    def restored(self, part: str) -> None:
        self._degraded.pop(part, None)

    def degradations(self) -> dict[str, str]:
        """Return the reason by part; empty when nothing is degraded."""
        return dict(self._degraded)

    def not_ready(self) -> dict[str, str]:
        """Return the reason by dependency; empty when ready."""
        return dict(self._missing)

    def not_live(self) -> list[str]:
        """Return the loops that are stalled; empty when live."""
        return [name for name, progress in self._progress.items() if progress.is_stalled]
