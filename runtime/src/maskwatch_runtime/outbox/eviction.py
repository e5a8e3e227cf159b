"""Making room on the device: sent rows first, then pictures; metadata that is unsent never."""

import sqlite3
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta

from maskwatch_proto import contract

from maskwatch_runtime.outbox.transaction import transaction

_SENT_IN_ORDER = """
SELECT rowid FROM alert WHERE sent = 1 AND rowid > ? ORDER BY rowid LIMIT 200
"""
_AGED_IN_ORDER = """
SELECT rowid FROM (SELECT rowid, created_at FROM alert WHERE sent = 1 ORDER BY rowid LIMIT 200)
WHERE created_at < ?
"""
_PICTURES_IN_ORDER = """
SELECT rowid FROM alert
WHERE sent = 0 AND length(image_data) > 0 AND rowid > ? ORDER BY rowid LIMIT 50
"""
_DELETE = "DELETE FROM alert WHERE rowid = ?"


@dataclass(frozen=True, slots=True)
class Limits:
    """How long sent rows are kept, and the size in bytes that the database's content may have."""

    keep_sent: timedelta
    size_bytes_max: int


@dataclass(frozen=True, slots=True)
class Evicted:
    rows: int = 0
    pictures: int = 0

    def __add__(self, other: "Evicted") -> "Evicted":
        return Evicted(self.rows + other.rows, self.pictures + other.pictures)


@dataclass(frozen=True, slots=True)
class _Kind:
    select: str
    evict: str
    counted: Callable[[int], Evicted]


_SENT = _Kind(_SENT_IN_ORDER, _DELETE, lambda rows: Evicted(rows=rows))
_PICTURES = _Kind(
    _PICTURES_IN_ORDER,
    "UPDATE alert SET image_data = x'' WHERE rowid = ?",
    lambda pictures: Evicted(pictures=pictures),
)


def evict(connection: sqlite3.Connection, limits: Limits, *, now: datetime) -> Evicted:
    """Delete sent rows that are too old, then what is needed to come below the size.

    Deletes in small transactions, so that the detector never waits long for the write lock.
    """
    evicted = _evict_aged(connection, before=now - limits.keep_sent)
    for kind in (_SENT, _PICTURES):
        after: int | None = 0
        while after is not None and content_bytes(connection) > limits.size_bytes_max:
            after, step = _evict_some(connection, kind, after=after)
            evicted += step
    return evicted


def content_bytes(connection: sqlite3.Connection) -> int:
    """Return the bytes of the pages in use; free pages are used again before the file grows."""
    pages, free, page_bytes = (
        connection.execute(f"PRAGMA {name}").fetchone()[0]
        for name in ("page_count", "freelist_count", "page_size")
    )
    return int((pages - free) * page_bytes)


def _evict_aged(connection: sqlite3.Connection, *, before: datetime) -> Evicted:
    limit = before.strftime(contract.EVENT_TIME_FORMAT)
    evicted = Evicted()
    while True:
        # Sent rows are the oldest ones, so those that are too old are among the first.
        aged = connection.execute(_AGED_IN_ORDER, (limit,)).fetchall()
        if not aged:
            return evicted
        with transaction(connection):
            connection.executemany(_DELETE, aged)
        evicted += Evicted(rows=len(aged))


def _evict_some(
    connection: sqlite3.Connection, kind: _Kind, *, after: int
) -> tuple[int | None, Evicted]:
    """Evict the next rows of a kind; return the last one's id, None when there are no more."""
    # From where the last step ended: beginning anew each time would take the square of the rows.
    found = connection.execute(kind.select, (after,)).fetchall()
    if not found:
        return None, Evicted()
    with transaction(connection):
        connection.executemany(kind.evict, found)
    return int(found[-1][0]), kind.counted(len(found))
