"""Making room on the device.

What is sent goes first: heartbeats, then other device events, then alerts; then heartbeats that are
unsent; then pictures. All other metadata that is unsent stays.
"""

import sqlite3
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta

from maskwatch_proto import contract

from maskwatch_runtime.outbox.transaction import transaction


@dataclass(frozen=True, slots=True)
class Limits:
    """When there is too much.

    Attributes:
        keep_sent: How long sent rows are kept.
        size_bytes_max: The size that the database's content may have.
        room_bytes_min: What is to be free in the database, on a disk that has less: the log takes
            what is left there, so that the database must not have to grow.
    """

    keep_sent: timedelta
    size_bytes_max: int
    room_bytes_min: int = 0


@dataclass(frozen=True, slots=True)
class Evicted:
    """What was given up: sent alerts, pictures of unsent ones, sent events, unsent heartbeats."""

    rows: int = 0
    pictures: int = 0
    events: int = 0
    heartbeats: int = 0

    def __add__(self, other: "Evicted") -> "Evicted":
        return Evicted(
            self.rows + other.rows,
            self.pictures + other.pictures,
            self.events + other.events,
            self.heartbeats + other.heartbeats,
        )


@dataclass(frozen=True, slots=True)
class _Kind:
    """Rows of one kind, oldest first, the next ones behind a bound; what is done to each."""

    select: str
    evict: str
    counted: Evicted


_DELETE_ALERT = "DELETE FROM alert WHERE rowid = ?"
_DELETE_EVENT = "DELETE FROM device_event WHERE position = ?"
_SENT_ALERTS = _Kind(
    "SELECT rowid FROM alert WHERE sent = 1 AND rowid > ? ORDER BY rowid LIMIT 200",
    _DELETE_ALERT,
    Evicted(rows=1),
)
_SENT_HEARTBEATS = _Kind(
    "SELECT position FROM device_event WHERE sent = 1 AND kind = 'heartbeat' AND position > ?"
    " ORDER BY position LIMIT 200",
    _DELETE_EVENT,
    Evicted(events=1),
)
_SENT_EVENTS = _Kind(
    "SELECT position FROM device_event WHERE sent = 1 AND position > ? ORDER BY position LIMIT 200",
    _DELETE_EVENT,
    Evicted(events=1),
)
_UNSENT_HEARTBEATS = _Kind(
    "SELECT position FROM device_event WHERE sent = 0 AND refused_reason IS NULL"
    " AND kind = 'heartbeat' AND position > ? ORDER BY position LIMIT 200",
    _DELETE_EVENT,
    Evicted(heartbeats=1),
)
_PICTURES = _Kind(
    "SELECT rowid FROM alert WHERE sent = 0 AND length(image_data) > 0 AND rowid > ?"
    " ORDER BY rowid LIMIT 50",
    "UPDATE alert SET image_data = x'' WHERE rowid = ?",
    Evicted(pictures=1),
)
_BY_SIZE = (_SENT_HEARTBEATS, _SENT_EVENTS, _SENT_ALERTS, _UNSENT_HEARTBEATS, _PICTURES)

# Sent rows are the oldest ones, so those that are too old are among the first.
_AGED_EVENTS = _Kind(
    "SELECT position FROM (SELECT position, created_at FROM device_event WHERE sent = 1"
    " ORDER BY position LIMIT 200) WHERE created_at < ?",
    _DELETE_EVENT,
    Evicted(events=1),
)
_AGED_ALERTS = _Kind(
    "SELECT rowid FROM (SELECT rowid, created_at FROM alert WHERE sent = 1"
    " ORDER BY rowid LIMIT 200) WHERE created_at < ?",
    _DELETE_ALERT,
    Evicted(rows=1),
)


def evict(connection: sqlite3.Connection, limits: Limits, *, now: datetime) -> Evicted:
    """Delete sent rows that are too old, then what is needed to come within the limits."""
    return sum(steps(connection, limits, now=now), Evicted())


def steps(connection: sqlite3.Connection, limits: Limits, *, now: datetime) -> Iterator[Evicted]:
    """Do what `evict` does, and yield what each step gave up: a later one may fail.

    Deletes in small transactions, so that the detector never waits long for the write lock.
    """
    before = (now - limits.keep_sent).strftime(contract.EVENT_TIME_FORMAT)
    for kind in (_AGED_EVENTS, _AGED_ALERTS):
        yield from _evict_aged(connection, kind, before=before)
    for kind in _BY_SIZE:
        after: int | None = 0
        while after is not None and _is_too_much(connection, limits):
            after, step = _evict_some(connection, kind, after)
            yield step


def content_bytes(connection: sqlite3.Connection) -> int:
    """Return the bytes of the pages in use."""
    return _number(connection, "page_count") * _page_bytes(connection) - free_bytes(connection)


def free_bytes(connection: sqlite3.Connection) -> int:
    """Return the bytes of the free pages, which are used again before the file grows."""
    return _number(connection, "freelist_count") * _page_bytes(connection)


def _is_too_much(connection: sqlite3.Connection, limits: Limits) -> bool:
    return (
        free_bytes(connection) < limits.room_bytes_min
        or content_bytes(connection) > limits.size_bytes_max
    )


def _page_bytes(connection: sqlite3.Connection) -> int:
    return _number(connection, "page_size")


def _number(connection: sqlite3.Connection, pragma: str) -> int:
    return int(connection.execute(f"PRAGMA {pragma}").fetchone()[0])


def _evict_aged(connection: sqlite3.Connection, kind: _Kind, *, before: str) -> Iterator[Evicted]:
    while True:
        _, step = _evict_some(connection, kind, before)
        if step == Evicted():
            return
        yield step


def _evict_some(
    connection: sqlite3.Connection, kind: _Kind, bound: int | str
) -> tuple[int | None, Evicted]:
    """Evict the next rows of a kind; return the last one's number, None when there are no more."""
    # From where the last step ended: beginning anew each time would take the square of the rows.
    found = connection.execute(kind.select, (bound,)).fetchall()
    if not found:
        return None, Evicted()
    with transaction(connection):
        connection.executemany(kind.evict, found)
    return int(found[-1][0]), _times(kind.counted, len(found))


def _times(one: Evicted, count: int) -> Evicted:
    return Evicted(
        one.rows * count, one.pictures * count, one.events * count, one.heartbeats * count
    )
