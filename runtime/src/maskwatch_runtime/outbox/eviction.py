"""Making room on the device: sent rows first, then pictures; metadata that is unsent never."""

import sqlite3
from dataclasses import dataclass
from datetime import datetime, timedelta

from maskwatch_proto import contract

_SENT_IN_ORDER = """
SELECT rowid FROM alert WHERE sent = 1 ORDER BY rowid LIMIT 200
"""
_PICTURES_IN_ORDER = """
SELECT rowid FROM alert
WHERE sent = 0 AND length(image_data) > 0 ORDER BY rowid LIMIT 50
"""


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


def evict(connection: sqlite3.Connection, limits: Limits, *, now: datetime) -> Evicted:
    """Delete sent rows that are too old, then what is needed to come below the size.

    Deletes in small transactions, so that the detector never waits long for the write lock.
    """
    evicted = _evict_aged(connection, before=now - limits.keep_sent)
    while content_bytes(connection) > limits.size_bytes_max:
        step = _evict_sent(connection)
        if not step.rows:
            step = _evict_pictures(connection)
        if step == Evicted():
            break
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
        # Sent rows are the oldest ones: the scan ends at the first that is young enough.
        aged = [
            (row_id,)
            for row_id, created_at in connection.execute(
                "SELECT rowid, created_at FROM alert WHERE sent = 1 ORDER BY rowid LIMIT 200"
            )
            if created_at < limit
        ]
        if not aged:
            return evicted
        _in_one_transaction(connection, "DELETE FROM alert WHERE rowid = ?", aged)
        evicted += Evicted(rows=len(aged))


def _evict_sent(connection: sqlite3.Connection) -> Evicted:
    sent = connection.execute(_SENT_IN_ORDER).fetchall()
    if sent:
        _in_one_transaction(connection, "DELETE FROM alert WHERE rowid = ?", sent)
    return Evicted(rows=len(sent))


def _evict_pictures(connection: sqlite3.Connection) -> Evicted:
    pictures = connection.execute(_PICTURES_IN_ORDER).fetchall()
    if pictures:
        _in_one_transaction(
            connection, "UPDATE alert SET image_data = x'' WHERE rowid = ?", pictures
        )
    return Evicted(pictures=len(pictures))


def _in_one_transaction(
    connection: sqlite3.Connection, statement: str, rows: list[tuple[int]]
) -> None:
    connection.execute("BEGIN IMMEDIATE")
    connection.executemany(statement, rows)
    connection.execute("COMMIT")
