"""Events that wait to be forwarded: a SQLite file of our own, bounded; the oldest give way."""

import sqlite3
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from uuid import UUID

from maskwatch_runtime.errors import Misconfigured, Unavailable
from maskwatch_runtime.outbox.transaction import transaction

_BUSY_S = 5.0
_CREATE = """
CREATE TABLE IF NOT EXISTS forward (
    position integer PRIMARY KEY AUTOINCREMENT,
    event_id text NOT NULL UNIQUE,
    kind text NOT NULL,
    device text NOT NULL,
    body blob NOT NULL
)
"""


@dataclass(frozen=True, slots=True)
class Item:
    """An event that waits; `position` orders them, 0 before it is stored."""

    event_id: UUID
    kind: str
    device: str
    body: bytes = field(repr=False)
    position: int = 0


class Queue:
    """The file; not for two threads at the same moment.

    Args:
        path: Beside the outbox, say; used by one process alone.
        items_max: The oldest give way above it.
    """

    def __init__(self, path: Path, *, items_max: int) -> None:
        self._path = path
        self._items_max = items_max
        self._connection: sqlite3.Connection | None = None

    def open(self) -> None:
        """Open or create the file.

        Raises:
            Misconfigured: The path cannot be a queue.
        """
        if self._connection is not None:
            return
        try:
            connection = sqlite3.connect(
                self._path, isolation_level=None, check_same_thread=False, timeout=_BUSY_S
            )
            connection.execute("PRAGMA journal_mode = WAL")
            connection.execute("PRAGMA synchronous = FULL")
            connection.execute(_CREATE)
        except sqlite3.Error as error:
            told = f"MASKWATCH_FORWARD_QUEUE_PATH: {self._path} cannot be used: {error}"
            raise Misconfigured(told) from error
        self._connection = connection

    def append(self, items: Sequence[Item]) -> int:
        """Store the items, those that are there already aside; return how many old ones gave way.

        Raises:
            Unavailable: The disk is full, broken or read-only.
        """
        with _Translated(), transaction(self._opened):
            self._opened.executemany(
                "INSERT OR IGNORE INTO forward (event_id, kind, device, body) VALUES (?, ?, ?, ?)",
                [(str(item.event_id), item.kind, item.device, item.body) for item in items],
            )
            excess = self._count() - self._items_max
            if excess > 0:
                self._opened.execute(
                    "DELETE FROM forward WHERE position IN"
                    " (SELECT position FROM forward ORDER BY position LIMIT ?)",
                    (excess,),
                )
        return max(0, excess)

    def head(self, limit: int) -> list[Item]:
        """Return the oldest items.

        Raises:
            Unavailable: The file cannot be read.
        """
        with _Translated():
            rows = self._opened.execute(
                "SELECT event_id, kind, device, body, position FROM forward"
                " ORDER BY position LIMIT ?",
                (limit,),
            ).fetchall()
        return [Item(UUID(row[0]), *row[1:]) for row in rows]

    def remove(self, position: int) -> None:
        """Forget an item that has arrived.

        Raises:
            Unavailable: The disk is broken or read-only.
        """
        with _Translated():
            self._opened.execute("DELETE FROM forward WHERE position = ?", (position,))

    def count(self) -> int:
        """Return how many wait.

        Raises:
            Unavailable: The file cannot be read.
        """
        with _Translated():
            return self._count()

    def close(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.close()

    def _count(self) -> int:
        (count,) = self._opened.execute("SELECT count(*) FROM forward").fetchone()
        return int(count)

    @property
    def _opened(self) -> sqlite3.Connection:
        self.open()
        if self._connection is None:
            raise RuntimeError("the queue is not open")
        return self._connection


class _Translated:
    def __enter__(self) -> None:
        """Nothing to prepare."""

    def __exit__(self, kind: object, error: object, trace: object) -> None:
        if isinstance(error, sqlite3.Error):
            raise Unavailable("forward_queue", str(error)) from error
