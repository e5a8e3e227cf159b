"""Which devices and models this process has lately written, so that not every batch does."""

from collections.abc import Iterable, Mapping
from typing import TypeVar

from maskwatch_runtime.clock import Clock

T = TypeVar("T")


class Registry:
    """Keys with the time at which they were last written and committed.

    Args:
        clock: Its monotonic time counts.
        fresh_s: A key that was written so many seconds ago is due again.
    """

    def __init__(self, clock: Clock, *, fresh_s: float = 60.0) -> None:
        self._clock = clock
        self._fresh_s = fresh_s
        self._written_s: dict[str, float] = {}

    def due(self, items: Mapping[str, T]) -> dict[str, T]:
        """Return those whose key is unknown or due again."""
        now_s = self._clock.monotonic_s()
        return {
            key: item
            for key, item in items.items()
            if now_s - self._written_s.get(key, -self._fresh_s) >= self._fresh_s
        }

    def written(self, keys: Iterable[str]) -> None:
        """Remember these; only after the commit, a rollback takes the rows away again."""
        now_s = self._clock.monotonic_s()
        self._written_s.update((key, now_s) for key in keys)

    def forget(self) -> None:
        """Hold nothing for written any more."""
        self._written_s.clear()
