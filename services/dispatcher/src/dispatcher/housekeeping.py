"""Keeps the outbox's file small: evicts, checkpoints, and tells how much waits."""

import asyncio
from dataclasses import asdict, replace

import structlog
from maskwatch_runtime.clock import Clock
from maskwatch_runtime.errors import Unavailable
from maskwatch_runtime.outbox import eviction
from maskwatch_runtime.outbox.checkpoint import Checkpointer
from maskwatch_runtime.outbox.outbox import Outbox, Unsent
from maskwatch_runtime.outbox.room import Disk
from maskwatch_runtime.retry import sleep_unless_stopped

from dispatcher.metrics import Metrics
from dispatcher.source import OutboxSource

_log = structlog.get_logger()
# Draining a long outage writes the WAL quickly; looking at its size costs next to nothing.
_CHECKPOINT_S = 0.5
_PLENTY = 2**62


class Housekeeping:
    """Keeps one outbox within its limits.

    Args:
        source: The outbox, in its thread.
        limits: When there is too much.
        checkpointer: Keeps the log short.
        metrics: Counts what is given up.
        disk: Where room may run out; None: nobody looks.
    """

    def __init__(
        self,
        source: OutboxSource,
        limits: eviction.Limits,
        checkpointer: Checkpointer,
        metrics: Metrics,
        disk: Disk | None = None,
    ) -> None:
        self._source = source
        self._limits = limits
        self._checkpointer = checkpointer
        self._metrics = metrics
        self._disk = disk
        self._is_exhausted = False

    async def run(self, stop: asyncio.Event, *, clock: Clock, every_s: float) -> None:
        """Checkpoint often, evict every `every_s` seconds and when the disk gets full, until `stop`
        is set.
        """  # noqa: D205 - one sentence
        next_s = clock.monotonic_s()
        while not stop.is_set():
            try:
                next_s = await self._step(clock, next_s, every_s=every_s)
            except Unavailable as error:
                _log.warning("housekeeping put off", action="evict", reason=error.reason)
                if self._disk and self._disk.has_ballast and await self._use_ballast(self._disk):
                    next_s = clock.monotonic_s()
                    continue
            await sleep_unless_stopped(_CHECKPOINT_S, stop=stop)

    async def _step(self, clock: Clock, next_s: float, *, every_s: float) -> float:
        """Do what is due, and return when to evict next."""
        disk_free_bytes = self._disk_free_bytes()
        is_disk_short = disk_free_bytes < self._limits.room_bytes_min
        await self._checkpoint(is_disk_short=is_disk_short)
        is_short = is_disk_short and await self._is_short()
        # What is sent later is looked for at the usual time: looking reads every row.
        if (is_short and not self._is_exhausted) or clock.monotonic_s() >= next_s:
            next_s = clock.monotonic_s() + every_s
            self._is_exhausted = await self.evict(clock) == eviction.Evicted() and is_short
        if self._disk:
            self._disk.keep_ballast()
        return next_s

    async def _checkpoint(self, *, is_disk_short: bool) -> None:
        was_done = await self._source.in_thread(
            lambda outbox: self._checkpointer.checkpoint(
                outbox.connection, is_disk_short=is_disk_short
            )
        )
        self._metrics.checkpoints.inc(was_done)

    async def _use_ballast(self, disk: Disk) -> bool:
        """Empty the log into the ballast's room; return whether that was done."""
        try:
            return await self._source.in_thread(
                lambda outbox: self._checkpointer.checkpoint_into(
                    outbox.connection, disk.drop_ballast
                )
            )
        except Unavailable as error:
            _log.warning("no room made", action="evict", reason=error.reason)
            return False

    async def _is_short(self) -> bool:
        return await self._source.in_thread(_free_bytes) < self._limits.room_bytes_min

    def _disk_free_bytes(self) -> int:
        return self._disk.free_bytes() if self._disk else _PLENTY

    async def evict(self, clock: Clock) -> eviction.Evicted:
        """Make room and measure once."""
        limits = self._limits
        if self._disk_free_bytes() >= limits.room_bytes_min:
            limits = replace(limits, room_bytes_min=0)
        steps: list[eviction.Evicted] = []
        try:
            await self._source.in_thread(
                lambda outbox: steps.extend(
                    eviction.steps(outbox.connection, limits, now=clock.now())
                )
            )
        finally:  # a disk that is full may fail a later step
            evicted = sum(steps, eviction.Evicted())
            self._count(evicted)
        unsent, content_bytes = await self._source.in_thread(_sizes)
        self._metrics.unsent.set(unsent.alerts)
        self._metrics.events_unsent.set(unsent.device_events)
        self._metrics.content_bytes.set(content_bytes)
        return evicted

    def _count(self, evicted: eviction.Evicted) -> None:
        self._metrics.evicted_rows.inc(evicted.rows)
        self._metrics.evicted_pictures.inc(evicted.pictures)
        self._metrics.evicted_events.inc(evicted.events)
        self._metrics.evicted_heartbeats.inc(evicted.heartbeats)
        if evicted != eviction.Evicted():
            _log.info("evicted", action="evict", **asdict(evicted))


def _sizes(outbox: Outbox) -> tuple[Unsent, int]:
    return outbox.unsent(), eviction.content_bytes(outbox.connection)


def _free_bytes(outbox: Outbox) -> int:
    return eviction.free_bytes(outbox.connection)
