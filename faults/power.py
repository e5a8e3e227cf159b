"""A device whose power is cut: the outbox's own code on a disk that forgets."""

import random
import sqlite3
from collections import Counter
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, cast

import apsw
from maskwatch_runtime.outbox import eviction, schema
from maskwatch_runtime.outbox.checkpoint import Checkpointer
from maskwatch_runtime.outbox.outbox import Outbox

from faults import forgetful_vfs
from faults.load import Shape, made

_FILE = "alert.db"


class Device:
    """An outbox on the forgetful disk, what was promised of it, and when.

    SQLite is that of apsw, its statements and settings are the product's.

    Args:
        folder: Where its files lie while it has power.
        numbers: All choices.
    """

    def __init__(self, folder: Path, numbers: random.Random) -> None:
        folder.mkdir()
        self._path = folder / _FILE
        self._numbers = numbers
        self._disk = forgetful_vfs.Recorder()
        self._made = 0
        self._unsent: dict[int, str] = {}
        # (steps of the disk before the promise, event id)
        self._stored: list[tuple[int, str]] = []
        self._marked: list[tuple[int, str]] = []
        self._evicted: list[tuple[int, str]] = []

    @property
    def steps(self) -> list[forgetful_vfs.Step]:
        return self._disk.steps

    def live(self, *, operations: int) -> None:
        """Store, mark, evict and checkpoint in any order."""
        connection = apsw.Connection(str(self._path), vfs=forgetful_vfs.NAME)
        sqlite = cast("sqlite3.Connection", connection)  # the product asks no more of it
        schema.prepare(sqlite, self._path)
        outbox, checkpointer = Outbox(sqlite), Checkpointer(self._path, wal_bytes=1)
        did: Counter[str] = Counter()
        for _ in range(operations):
            (what,) = self._numbers.choices(
                ("store", "mark", "evict", "checkpoint"), weights=(6, 3, 1, 1)
            )
            did[what] += 1
            if what == "store":
                self._store(outbox)
            elif what == "mark":
                self._mark(outbox)
            elif what == "evict":
                self._evict(sqlite)
            else:
                checkpointer.checkpoint(sqlite)
        connection.close()
        self._disk.unregister()

    def cut(self, count: int, folder: Path) -> Path:
        """Cut the power behind so many steps, and return the file that is found afterwards."""
        folder.mkdir()
        image = forgetful_vfs.after_cut(self.steps[:count], self._numbers)
        for name, content in image.items():
            (folder / name).write_bytes(content)
        return folder / _FILE

    def promised(self, count: int) -> set[str]:
        """Return what had been acknowledged by then, and was not about to be evicted."""
        evicted = {event_id for at, event_id in self._evicted if at < count}
        return {event_id for at, event_id in self._stored if at <= count} - evicted

    def marked(self, count: int) -> set[str]:
        """Return what had been acknowledged as sent by then."""
        return {event_id for at, event_id in self._marked if at <= count}

    def _store(self, outbox: Outbox) -> None:
        shape = Shape(picture_bytes=self._numbers.choice((0, 4_000, 20_000)))
        count = self._numbers.randint(1, 4)
        alerts = list(made(count, after=self._made, shape=shape, numbers=self._numbers))
        outbox.append_all(alerts)
        self._made += count
        self._stored += [(len(self.steps), str(alert.event_id)) for alert in alerts]

    def _mark(self, outbox: Outbox) -> None:
        pending = outbox.pending(after=0, limit=5, size_bytes_max=10**9)
        if not pending:
            return
        outbox.mark_sent([row.position for row in pending])
        ids = [cast("Any", row.wire).event_id for row in pending]
        self._marked += [(len(self.steps), event_id) for event_id in ids]

    def _evict(self, connection: sqlite3.Connection) -> None:
        before, at = _sent(connection), len(self.steps)
        limits = eviction.Limits(keep_sent=timedelta(0), size_bytes_max=10**9)
        eviction.evict(connection, limits, now=datetime.now(UTC) + timedelta(days=1))
        self._evicted += [(at, event_id) for event_id in before]


def _sent(connection: sqlite3.Connection) -> list[str]:
    found = connection.execute("SELECT event_id FROM alert WHERE sent = 1").fetchall()
    return [event_id for (event_id,) in found]
