"""Keeps the outbox's file small: evicts, checkpoints, and tells how much waits."""

import asyncio
from dataclasses import asdict

import structlog
from maskwatch_runtime.clock import Clock
from maskwatch_runtime.errors import Unavailable
from maskwatch_runtime.outbox import eviction
from maskwatch_runtime.outbox.checkpoint import Checkpointer
from maskwatch_runtime.outbox.outbox import Outbox, Unsent
from maskwatch_runtime.retry import sleep_unless_stopped

from dispatcher.metrics import Metrics
from dispatcher.source import OutboxSource

_log = structlog.get_logger()
# Draining a long outage writes the WAL quickly; looking at its size costs next to nothing.
_CHECKPOINT_S = 0.5


class Housekeeping:
    def __init__(
        self,
        source: OutboxSource,
        limits: eviction.Limits,
        checkpointer: Checkpointer,
        metrics: Metrics,
    ) -> None:
        self._source = source
        self._limits = limits
        self._checkpointer = checkpointer
        self._metrics = metrics

    async def run(self, stop: asyncio.Event, *, clock: Clock, every_s: float) -> None:
        """Checkpoint often and evict every `every_s` seconds until `stop` is set."""
        next_s = clock.monotonic_s()
        while not stop.is_set():
            try:
                await self._source.in_thread(
                    lambda outbox: self._checkpointer.checkpoint(outbox.connection)
                )
                if clock.monotonic_s() >= next_s:
                    next_s = clock.monotonic_s() + every_s
                    await self.evict(clock)
            except Unavailable as error:
                _log.warning("housekeeping put off", action="evict", reason=error.reason)
            await sleep_unless_stopped(_CHECKPOINT_S, stop=stop)

    async def evict(self, clock: Clock) -> eviction.Evicted:
        """Make room and measure once."""
        evicted = await self._source.in_thread(
            lambda outbox: eviction.evict(outbox.connection, self._limits, now=clock.now())
        )
        self._metrics.evicted_rows.inc(evicted.rows)
        self._metrics.evicted_pictures.inc(evicted.pictures)
        self._metrics.evicted_events.inc(evicted.events)
        self._metrics.evicted_heartbeats.inc(evicted.heartbeats)
        unsent, content_bytes = await self._source.in_thread(_sizes)
        self._metrics.unsent.set(unsent.alerts)
        self._metrics.events_unsent.set(unsent.device_events)
        self._metrics.content_bytes.set(content_bytes)
        if evicted != eviction.Evicted():
            _log.info("evicted", action="evict", **asdict(evicted))
        return evicted


def _sizes(outbox: Outbox) -> tuple[Unsent, int]:
    return outbox.unsent(), eviction.content_bytes(outbox.connection)
