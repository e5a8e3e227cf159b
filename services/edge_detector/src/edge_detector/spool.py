"""Alerts on their way into the outbox, by a thread of its own.

A disk that is full, slow or read-only must not stop detection: alerts wait in memory, the oldest
give way, each is counted. SQLite's own waits (10 s when another program writes) happen here.
"""

import sqlite3
import threading
from collections import deque
from pathlib import Path

import structlog
from maskwatch_proto.alert import Alert
from maskwatch_runtime.errors import Misconfigured, Unavailable
from maskwatch_runtime.health import Health
from maskwatch_runtime.outbox.checkpoint import Checkpointer
from maskwatch_runtime.outbox.outbox import Outbox
from maskwatch_runtime.retry import Backoff

from edge_detector.metrics import Metrics

_log = structlog.get_logger()
_DEPENDENCY = "outbox"


class Store:
    """The outbox's file, opened when first needed and anew after a failure."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._checkpointer = Checkpointer(path)
        self._outbox: Outbox | None = None

    def open(self) -> None:
        """Open the file.

        Raises:
            Misconfigured: It cannot be an outbox.
            Unavailable: The disk does not let it be one now.
        """
        if self._outbox is None:
            self._outbox = Outbox.open(self._path)

    def append(self, alert: Alert) -> None:
        """Store the alert durably.

        Raises:
            Misconfigured: As `open`.
            Unavailable: The disk is full, broken or read-only, or another program holds the lock.
        """
        self.open()
        if self._outbox is None:
            raise RuntimeError("the outbox is not open")
        try:
            self._outbox.append(alert)
        except sqlite3.Error as error:
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
        """Close the file and give back the checkpoint lock."""
        outbox, self._outbox = self._outbox, None
        self._checkpointer.close()
        if outbox is not None:
            outbox.close()


class Spool:
    """A bounded queue in front of the store.

    Args:
        store: Where alerts become durable; used by the spool's thread alone.
        capacity: Alerts kept in memory while it fails, besides the one being tried.
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
        self._waiting: deque[Alert] = deque()
        self._in_hand: Alert | None = None
        self._changed = threading.Condition()
        self._is_closing = False

    def put(self, alert: Alert) -> None:
        """Take the alert over; never waits for the disk."""
        with self._changed:
            self._waiting.append(alert)
            if len(self._waiting) > self._capacity:
                self._lose(self._waiting.popleft())
            self._tell()

    def run(self) -> int:
        """Store what is put in until `close`, then what is left; return how many could not be."""
        while (alert := self._next()) is not None:
            try:
                self._store.append(alert)
            except (Unavailable, Misconfigured) as error:
                self._failed(error)
                if self._pause(self._backoff.next_s()):
                    break
            else:
                self._stored(alert)
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

    def _next(self) -> Alert | None:
        with self._changed:
            self._changed.wait_for(lambda: self._count() or self._is_closing)
            # Out of the queue while it is written: it may not be counted both stored and lost.
            if self._in_hand is None and self._waiting:
                self._in_hand = self._waiting.popleft()
            return self._in_hand

    def _stored(self, alert: Alert) -> None:
        self._backoff.reset()
        self._health.present(_DEPENDENCY)
        self._metrics.alerts_stored.inc()
        with self._changed:
            self._in_hand = None
            self._tell()
        _log.info("alert stored", action="store", event_id=str(alert.event_id), label=alert.label)

    def _failed(self, error: Unavailable | Misconfigured) -> None:
        self._metrics.outbox_failures.inc()
        self._health.missing(_DEPENDENCY, str(error))
        _log.error(
            "alert not stored, kept in memory",
            action="store",
            reason=str(error),
            waiting=self._count(),
        )

    def _pause(self, delay_s: float) -> bool:
        with self._changed:
            return self._changed.wait_for(lambda: self._is_closing, delay_s)

    def _give_up(self) -> int:
        with self._changed:
            left = [*([self._in_hand] if self._in_hand else []), *self._waiting]
            self._in_hand = None
            self._waiting.clear()
            for alert in left:
                self._lose(alert)
            self._tell()
        return len(left)

    def _lose(self, alert: Alert) -> None:
        self._metrics.alerts_dropped.inc()
        _log.error("alert lost", action="drop", event_id=str(alert.event_id))

    def _count(self) -> int:
        return len(self._waiting) + (self._in_hand is not None)

    def _tell(self) -> None:
        self._metrics.alerts_waiting.set(self._count())
        self._changed.notify_all()
