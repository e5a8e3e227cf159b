"""The outbox as the relay sees it."""

import asyncio
import sqlite3
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from typing import TypeVar

import structlog
from maskwatch_proto.invalid import InvalidMessage
from maskwatch_runtime.errors import Unavailable
from maskwatch_runtime.outbox import position, schema
from maskwatch_runtime.outbox.outbox import Outbox, Pending
from maskwatch_runtime.relay import Entry

from dispatcher import envelope
from dispatcher.metrics import Metrics

T = TypeVar("T")
# A commit of the detector is noticed within this time. SQLite offers no way to be told; asking for
# the data version costs some microseconds.
_POLL_S = 0.02
_log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class BatchLimits:
    rows: int
    size_bytes: int


class OutboxSource:
    """Reads and marks rows in one thread of its own; SQLite waits there, not in the event loop."""

    def __init__(self, outbox: Outbox, limits: BatchLimits, metrics: Metrics) -> None:
        self._outbox = outbox
        self._limits = limits
        self._metrics = metrics
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="outbox")
        self._seen_version = -1
        # The file was moved or is broken. Places of its rows mean nothing in the next one, so that
        # nothing may be marked until the relay begins anew.
        self._is_gone = False
        # Kinds of the device events that were read and not yet settled, by position.
        self._kinds: dict[int, str] = {}

    async def pending(self, *, after: int) -> Sequence[Entry]:
        if after == 0 and self._is_gone:  # nothing is on its way: places may change
            await self._reopen()
        while True:
            rows, entries = await self._in_thread(partial(self._read, after))
            for row in rows:
                if isinstance(row.wire, InvalidMessage):
                    await self._set_aside(row.position, str(row.wire))
            # A batch of nothing but rows that were set aside is not the end of the outbox.
            if entries or not rows:
                return entries
            after = rows[-1].position

    async def mark_sent(self, ids: Sequence[int]) -> None:
        await self._in_thread(lambda: self._outbox.mark_sent(ids))
        self._metrics.sent.inc(sum(position.is_alert(one) for one in ids))
        for one in ids:
            if not position.is_alert(one):
                self._metrics.events_sent.labels(self._kinds.pop(one, "unknown")).inc()

    async def refuse(self, entry: Entry, reason: str) -> None:
        """Try once more without the picture; set aside what is refused even so."""
        if await self._in_thread(lambda: self._outbox.drop_picture(entry.id)):
            self._metrics.shrunk.inc()
            row = position.alert_rowid(entry.id)
            _log.warning("picture left out", action="shrink", row=row, reason=reason)
        else:
            await self._set_aside(entry.id, reason)

    async def changed(self, *, timeout_s: float) -> None:
        deadline_s = asyncio.get_running_loop().time() + timeout_s
        while asyncio.get_running_loop().time() < deadline_s:
            version = await self._in_thread(self._outbox.data_version)
            if version != self._seen_version:
                self._seen_version = version
                return
            await asyncio.sleep(_POLL_S)

    async def in_thread(self, work: Callable[[Outbox], T]) -> T:
        """Run other work on the outbox in its thread, for `housekeeping`."""
        return await self._in_thread(lambda: work(self._outbox))

    def close(self) -> None:
        self._thread.shutdown()
        self._outbox.close()

    async def _set_aside(self, place: int, reason: str) -> None:
        await self._in_thread(lambda: self._outbox.refuse(place, reason))
        self._kinds.pop(place, None)
        is_alert = position.is_alert(place)
        (self._metrics.refused if is_alert else self._metrics.events_refused).inc()
        table, row = ("alert", position.alert_rowid(place)) if is_alert else ("device_event", place)
        _log.error("row set aside", action="refuse", table=table, row=row, reason=reason)

    def _read(self, after: int) -> tuple[list[Pending], list[Entry]]:
        if after == 0:  # nothing is on its way; what was evicted meanwhile is never settled
            self._kinds.clear()
        rows = self._outbox.pending(
            after=after, limit=self._limits.rows, size_bytes_max=self._limits.size_bytes
        )
        # Encoded here, while the event loop talks to the broker.
        entries = []
        for row in rows:
            if isinstance(row.wire, InvalidMessage):
                continue
            if not position.is_alert(row.position):
                self._kinds[row.position] = row.wire.kind
            entries.append(Entry(row.position, envelope.message(row.wire)))
        return rows, entries

    async def _reopen(self) -> None:
        def reopened() -> Outbox:
            return self._outbox.reopened()

        self._outbox = await asyncio.get_running_loop().run_in_executor(self._thread, reopened)
        self._is_gone = False

    async def _in_thread(self, work: Callable[[], T]) -> T:
        if self._is_gone:
            raise Unavailable("outbox", "the file is opened anew")
        try:
            return await asyncio.get_running_loop().run_in_executor(
                self._thread, partial(self._guarded, work)
            )
        except (sqlite3.OperationalError, OSError) as error:  # busy, full, gone read-only
            raise Unavailable("outbox", str(error)) from error

    def _guarded(self, work: Callable[[], T]) -> T:
        if self._outbox.is_moved:
            self._is_gone = True
            raise Unavailable("outbox", "the file was moved or replaced while in use")
        try:
            return work()
        except sqlite3.DatabaseError as error:
            if not schema.is_damage(error):
                raise
            self._is_gone = True
            self._outbox.put_aside(str(error))
            raise Unavailable("outbox", str(error)) from error
