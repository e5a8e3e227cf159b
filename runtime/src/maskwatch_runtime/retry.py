"""Waiting between tries: exponential, capped, with full jitter.

Source: Marc Brooker, Exponential Backoff And Jitter, AWS Architecture Blog, 2015.
"""

import asyncio
import random
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import TypeVar

import structlog

from maskwatch_runtime.errors import Unavailable

T = TypeVar("T")
_log = structlog.get_logger()


@dataclass(slots=True)
class Backoff:
    """Delays in seconds; each is drawn between half of and the whole of a doubling ceiling."""

    initial_s: float = 0.2
    cap_s: float = 30.0
    uniform: Callable[[float, float], float] = random.uniform
    _tries: int = field(default=0, init=False)

    def next_s(self) -> float:
        ceiling_s = min(self.cap_s, self.initial_s * 2.0 ** min(self._tries, 60))
        self._tries += 1
        return self.uniform(ceiling_s / 2, ceiling_s)

    def reset(self) -> None:
        self._tries = 0


async def sleep_unless_stopped(delay_s: float, *, stop: asyncio.Event) -> bool:
    """Wait, and return whether `stop` was set meanwhile."""
    try:
        await asyncio.wait_for(stop.wait(), delay_s)
    except TimeoutError:
        return False
    return True


async def until_available(
    operation: Callable[[], Awaitable[T]],
    *,
    backoff: Backoff,
    stop: asyncio.Event,
    on_wait: Callable[[Unavailable], None] = lambda _: None,
) -> T:
    """Return the operation's result, trying again for as long as it raises Unavailable.

    Args:
        operation: Safe to repeat.
        backoff: Delays between the tries.
        stop: Set when the service shuts down; then the last Unavailable is raised.
        on_wait: Told of every failed try, to report health.
    """
    while True:
        try:
            return await operation()
        except Unavailable as error:
            on_wait(error)
            delay_s = backoff.next_s()
            _log.warning(
                "waiting for a dependency",
                action="retry",
                dependency=error.dependency,
                reason=error.reason,
                delay_s=round(delay_s, 2),
            )
            if await sleep_unless_stopped(delay_s, stop=stop):
                raise
