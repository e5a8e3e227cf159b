"""``python -m faults.writer``: the detector's spool without a camera; what it is told to do are
lines of JSON on stdin, each answered by a line on stdout.

``{"do": "die", ...}`` forks a writer that is killed in the middle of its work: preparing a process
takes seconds, and a thousand of them are wanted. ``{"do": "write", ...}`` writes in this process.
"""  # noqa: D205 - one sentence

import argparse
import json
import os
import random
import signal
import sqlite3
import sys
import threading
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path

import structlog
from edge_detector.metrics import Metrics
from edge_detector.spool import Event as Told
from edge_detector.spool import Spool, Store
from maskwatch_proto.alert import Alert
from maskwatch_runtime.clock import SystemClock
from maskwatch_runtime.health import Health
from maskwatch_runtime.outbox.checkpoint import Checkpointer
from prometheus_client import CollectorRegistry

from faults import armed, points
from faults.history import Event, Journal
from faults.load import Shape, made

_IDLE_S = 0.02
_POINT_S = 20.0  # a writer that does not reach its point by then never will


@dataclass(frozen=True)
class Orders:
    """What a writer is to do.

    Attributes:
        seed: Where event ids come from.
        after: Number of the last alert before.
        count: So many alerts, then idle; 0: until told to end.
        per_second: How fast at most; 0: as fast as memory allows.
        capacity: Alerts that the spool keeps in memory.
        picture_bytes: Of each alert.
        wal_bytes: From which size of the WAL on it is checkpointed.
        point: Where it is killed; empty: `delay_s` after its first alert.
        nth: At which time it comes there.
    """

    seed: int
    after: int
    count: int = 0
    per_second: float = 0.0
    capacity: int = 100
    picture_bytes: int = 4_000
    wal_bytes: int = 4 * 1024 * 1024
    point: str = ""
    nth: int = 1
    delay_s: float = 0.0


@dataclass(frozen=True)
class Status:
    """What the writer says of itself: alerts put in, stored, dropped, in memory; its checkpoints;
    what is away.
    """  # noqa: D205 - one sentence

    put: int
    stored: int
    dropped: int
    waiting: int
    checkpoints: int
    missing: dict[str, str]
    degraded: dict[str, str]


class _Counting(Checkpointer):
    """Says how often it did."""

    done = 0

    def checkpoint(self, connection: sqlite3.Connection, *, is_disk_short: bool = False) -> bool:
        was_done = super().checkpoint(connection, is_disk_short=is_disk_short)
        self.done += was_done
        return was_done


class Writer:
    """A spool in its thread, and alerts that are put into it."""

    def __init__(self, outbox: Path, journal: Journal, orders: Orders) -> None:
        self._orders = orders
        self._journal = journal
        self._registry = CollectorRegistry()
        self._health = Health(SystemClock())
        self._put = 0
        self._checkpointer = _Counting(outbox, wal_bytes=orders.wal_bytes)
        store = Store(outbox, self._acknowledged, checkpointer=self._checkpointer)
        self._spool = Spool(
            store, capacity=orders.capacity, health=self._health, metrics=Metrics(self._registry)
        )
        self._thread = threading.Thread(target=self._spool.run, name="spool")

    def run(self, is_ended: Callable[[], bool]) -> None:
        """Put alerts in until told to end; then store what is left."""
        orders = self._orders
        self._thread.start()
        began_s = time.monotonic()
        numbers = random.Random(orders.seed)  # noqa: S311 - no secret
        shape = Shape(picture_bytes=orders.picture_bytes)
        while not is_ended():
            if orders.count and self._put >= orders.count:
                time.sleep(_IDLE_S)
                continue
            (alert,) = made(1, after=orders.after + self._put, shape=shape, numbers=numbers)
            self._journal.tried([_event(alert)])
            self._spool.put(alert)
            self._put += 1
            if orders.per_second:
                due_s = began_s + self._put / orders.per_second
                time.sleep(max(0.0, due_s - time.monotonic()))
            else:  # not more than memory holds: nothing is to be dropped
                self._spool.wait_until_below(orders.capacity)
        self._spool.close()
        self._thread.join()

    def status(self) -> Status:
        return Status(
            put=self._put,
            stored=self._metric("alerts_stored_total"),
            dropped=self._metric("alerts_dropped_total"),
            waiting=self._metric("alerts_waiting"),
            checkpoints=self._checkpointer.done,
            missing=self._health.not_ready(),
            degraded=self._health.degradations(),
        )

    def _metric(self, name: str) -> int:
        return int(self._registry.get_sample_value(f"edge_detector_{name}") or 0)

    def _acknowledged(self, told: Told) -> None:
        if isinstance(told, Alert):
            self._journal.acknowledged([_event(told)], now_s=time.time())


def _event(alert: Alert) -> Event:
    return Event(str(alert.event_id), alert.device.guid, alert.sequence or 0)


# --- killed in the middle ------------------------------------------------------------------------


def die(outbox: Path, journal: Journal, orders: Orders) -> int:
    """Fork a writer, have it killed, and return the signal that ended it (0: none did)."""
    child = os.fork()
    if not child:
        try:
            if orders.point:
                _arm(orders, journal.path.with_name("writer.signalled"))
            Writer(outbox, journal, orders).run(lambda: False)
        finally:
            os._exit(1)
    if not orders.point:
        _sleep_after_first(journal, orders)
        os.kill(child, signal.SIGKILL)
    return _ended(child)


def _sleep_after_first(journal: Journal, orders: Orders) -> None:
    before, deadline_s = journal.size_bytes, time.monotonic() + _POINT_S
    while journal.size_bytes == before and time.monotonic() < deadline_s:
        time.sleep(0.001)
    time.sleep(orders.delay_s)


def _ended(child: int) -> int:
    deadline_s = time.monotonic() + _POINT_S
    while time.monotonic() < deadline_s:
        pid, status = os.waitpid(child, os.WNOHANG)
        if pid:
            return os.WTERMSIG(status) if os.WIFSIGNALED(status) else 0
        time.sleep(0.001)
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)
    return 0


def _arm(orders: Orders, report: Path) -> None:
    point = points.POINTS[orders.point]
    owner, name, function = points.locate(point)
    trigger = armed.Trigger(orders.nth, signal.SIGKILL, report)
    setattr(owner, name, armed.wrapped(function, point, trigger.pull))


# --- the process ---------------------------------------------------------------------------------


def _write(outbox: Path, journal: Journal, orders: Orders) -> None:
    writer = Writer(outbox, journal, orders)
    is_ended = threading.Event()
    running = threading.Thread(target=writer.run, args=(is_ended.is_set,), name="writer")
    running.start()
    try:
        for line in sys.stdin:  # each asks for the status; "end" ends it first
            if line.strip() == "end":
                is_ended.set()
                running.join()
            print(json.dumps(asdict(writer.status())), flush=True)
            if is_ended.is_set():
                return
    finally:  # whoever asked is gone
        is_ended.set()


def main() -> int:
    """Follow orders until stdin ends."""
    parser = argparse.ArgumentParser(prog="faults.writer", description=__doc__)
    parser.add_argument("outbox", type=Path)
    parser.add_argument("journal", type=Path)
    given = parser.parse_args()
    journal = Journal(given.journal)
    # Answers are on stdout.
    structlog.configure(logger_factory=structlog.PrintLoggerFactory(sys.stderr))
    for line in sys.stdin:
        order = json.loads(line)
        what = order.pop("do")
        if what == "write":
            _write(given.outbox, journal, Orders(**order))
        else:
            print(die(given.outbox, journal, Orders(**order)), flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
