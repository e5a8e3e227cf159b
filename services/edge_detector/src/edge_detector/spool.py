"""Alerts and device events on their way into the outbox, by a thread of its own.

A disk that is full, slow or read-only must not stop detection: events wait in memory, the oldest
give way, each is counted. SQLite's own waits (10 s when another program writes) happen here.
"""

import sqlite3
import threading
from collections import deque
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NoReturn

import structlog
from maskwatch_proto.alert import Alert
from maskwatch_proto.device_event import DeviceEvent
from maskwatch_runtime.errors import Misconfigured, Unavailable
from maskwatch_runtime.health import Health
from maskwatch_runtime.outbox import quarantine, room, schema
from maskwatch_runtime.outbox.checkpoint import Checkpointer
from maskwatch_runtime.outbox.outbox import Outbox
from maskwatch_runtime.retry import Backoff

from edge_detector.metrics import Metrics

_log = structlog.get_logger()
_DEPENDENCY = "outbox"
# Written by one transaction, and so by one fsync; with pictures, some megabytes.
_BATCH_MAX = 64

Event = Alert | DeviceEvent


class Store:
    """The outbox's file, opened when first needed and anew after a failure.

    Args:
        path: The file.
        told: Called with each event after its commit; may neither raise nor wait.
        checkpointer: Keeps the log short.

    Attributes:
        look_s: After so long without an event it is to be looked at.
    """

    look_s = 3.0

    def __init__(
        self,
        path: Path,
        *told: Callable[[Event], None],
        checkpointer: Checkpointer | None = None,
    ) -> None:
        self._path = path
        self._told = told
        self._checkpointer = checkpointer or Checkpointer(path)
        self._outbox: Outbox | None = None

    def open(self) -> None:
        """Open the file.

        Raises:
            Misconfigured: It cannot be an outbox.
            Unavailable: The disk does not let it be one now.
        """
        if self._outbox is None:
            self._outbox = Outbox.open(self._path)

    def append_all(self, events: Sequence[Event]) -> None:
        """Store the events durably, all of them or none.

        Raises:
            Misconfigured: As `open`.
            Unavailable: The disk is full, broken or read-only, or another program holds the lock.
        """
        self.open()
        if self._outbox is None:
            raise RuntimeError("the outbox is not open")
        try:
            self._outbox.append_all(events)
        except Unavailable:
            self.close()
            raise
        except sqlite3.Error as error:
            self._failed(error)
        for event in events:
            for tell in self._told:
                tell(event)

    def look(self) -> None:
        """See whether events could be stored now, without writing: a card may die in silence.

        Raises:
            Misconfigured: As `open`.
            Unavailable: The disk cannot be written, or the file is gone.
        """
        self.open()
        try:
            room.check_writable(self._path)
        except Unavailable:
            self.close()
            raise
        if self._outbox is not None and self._outbox.is_moved:
            self.close()
            raise Unavailable(_DEPENDENCY, f"{self._path} was moved or replaced while in use")

    def damaged(self) -> list[Path]:
        """Return the damaged files that lie beside the outbox."""
        return quarantine.held(self._path)

    def _failed(self, error: sqlite3.Error) -> NoReturn:
        outbox = self._outbox
        if outbox is not None and schema.is_damage(error):
            self._outbox = None
            outbox.put_aside(str(error))
        self.close()
        raise Unavailable(_DEPENDENCY, str(error)) from error

    def tidy(self) -> None:
        """Checkpoint when it is due and nobody else does; never fails the caller."""
        if self._outbox is None:
            return
        try:
            self._checkpointer.checkpoint(self._outbox.connection)
        except (sqlite3.Error, OSError) as error:
            _log.warning("checkpoint put off", action="checkpoint", reason=str(error))

    def close(self) -> None:
        """Close the file."""
        outbox, self._outbox = self._outbox, None
        if outbox is not None:
            outbox.close()


class Spool:
    """A bounded queue in front of the store; what waits together is stored together.

    Args:
        store: Where events become durable; used by the spool's thread alone.
        capacity: Events kept in memory while it fails, besides those being tried.
        health: Not ready while it fails.
        metrics: Counts what is stored and what is lost.
        backoff: Delays between tries.
    """

    def __init__(
        self,
        store: Store,
        *,
        capacity: int,
        health: Health,
        metrics: Metrics,
        backoff: Backoff | None = None,
    ) -> None:
        self._store = store
        self._capacity = capacity
        self._health = health
        self._metrics = metrics
        self._backoff = backoff or Backoff(initial_s=0.2, cap_s=5.0)
        self._waiting: deque[Event] = deque()
        self._in_hand: tuple[Event, ...] = ()
        self._is_failing = False
        self._changed = threading.Condition()
        self._is_closing = False

    def put(self, event: Event) -> None:
        """Take the event over; never waits for the disk."""
        with self._changed:
            self._waiting.append(event)
            if len(self._waiting) > self._capacity:
                self._lose(self._waiting.popleft())
            self._tell()

    def run(self) -> int:
        """Store what is put in until `close`, then what is left; return how many could not be."""
        while (events := self._next()) or not self._is_closing:
            try:
                self._store.append_all(events) if events else self._store.look()
            except (Unavailable, Misconfigured) as error:
                self._failed(error)
                if self._pause(self._backoff.next_s()):
                    break
            else:
                self._stored(events)
                self._store.tidy()
        self._store.close()
        return self._give_up()

    def close(self) -> None:
        """Let `run` end once everything is stored, or at its next failure."""
        with self._changed:
            self._is_closing = True
            self._changed.notify_all()

    def wait_until_empty(self, *, timeout_s: float) -> bool:
        """Return whether everything is stored, at the latest after the timeout."""
        with self._changed:
            return self._changed.wait_for(lambda: not self._count(), timeout_s)

    def wait_until_below(self, count: int) -> None:
        """Wait until memory holds fewer events than this, or the spool is closed."""
        with self._changed:
            self._changed.wait_for(lambda: self._count() < count or self._is_closing)

    def _next(self) -> tuple[Event, ...]:
        """Return what is to be stored next; nothing at the end, or when it is time to look."""
        with self._changed:
            self._changed.wait_for(lambda: self._count() or self._is_closing, self._store.look_s)
            # Out of the queue while it is written: it may not be counted both stored and lost.
            if not self._in_hand:
                count = min(len(self._waiting), _BATCH_MAX)
                self._in_hand = tuple(self._waiting.popleft() for _ in range(count))
            # A disk that is nearly full may still take a single one.
            return self._in_hand[:1] if self._is_failing else self._in_hand

    def _stored(self, events: Sequence[Event]) -> None:
        self._backoff.reset()
        self._health.present(_DEPENDENCY)
        self._tell_damaged()
        for event in events:
            if isinstance(event, Alert):
                self._metrics.alerts_stored.inc()
            else:
                self._metrics.events_stored.labels(event.happening.kind).inc()
        with self._changed:
            self._is_failing = False
            self._in_hand = self._in_hand[len(events) :]
            self._tell()
        for event in events:
            _log.info("stored", action="store", event_id=str(event.event_id), **_named(event))

    def _tell_damaged(self) -> None:
        if names := [one.name for one in self._store.damaged()]:
            self._health.degraded(_DEPENDENCY, f"damaged and put aside: {', '.join(names)}")
        else:
            self._health.restored(_DEPENDENCY)

    def _failed(self, error: Unavailable | Misconfigured) -> None:
        self._is_failing = True
        self._metrics.outbox_failures.inc()
        self._health.missing(_DEPENDENCY, str(error))
        _log.error(
            "not stored, kept in memory",
            action="store",
            reason=str(error),
            waiting=self._count(),
        )

    def _pause(self, delay_s: float) -> bool:
        with self._changed:
            return self._changed.wait_for(lambda: self._is_closing, delay_s)

    def _give_up(self) -> int:
        with self._changed:
            left = [*self._in_hand, *self._waiting]
            self._in_hand = ()
            self._waiting.clear()
            for event in left:
                self._lose(event)
            self._tell()
        return len(left)

    def _lose(self, event: Event) -> None:
        if isinstance(event, Alert):
            self._metrics.alerts_dropped.inc()
        else:
            self._metrics.events_dropped.labels(event.happening.kind).inc()
        _log.error("lost", action="drop", event_id=str(event.event_id), **_named(event))

    def _count(self) -> int:
        return len(self._waiting) + len(self._in_hand)

    def _tell(self) -> None:
        self._metrics.alerts_waiting.set(self._count())
        self._changed.notify_all()


def _named(event: Event) -> dict[str, str]:
    if isinstance(event, Alert):
        return {"kind": "alert", "label": str(event.label or "")}
    return {"kind": event.happening.kind}
