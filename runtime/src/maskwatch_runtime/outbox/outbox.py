"""Reading and writing the outbox. Every method is one transaction, durable on return."""

import heapq
import sqlite3
from collections.abc import Callable, Generator, Sequence
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, NamedTuple, Self

from maskwatch_proto import contract
from maskwatch_proto.alert import Alert
from maskwatch_proto.contract import InvalidAlert
from maskwatch_proto.device_event import DeviceEvent
from maskwatch_proto.invalid import InvalidMessage

from maskwatch_runtime.errors import Unavailable
from maskwatch_runtime.outbox import event_rows, position, quarantine, rows, schema
from maskwatch_runtime.outbox.transaction import snapshot, transaction

_ALERT_COLUMNS = ", ".join(rows.ALERT_COLUMNS)
_EVENT_COLUMNS = ", ".join(event_rows.COLUMNS)
_INSERT_ALERT = f"""
INSERT INTO alert (rowid, {_ALERT_COLUMNS}, sent)
VALUES ({position.ROWID_OF_NEXT_ALERT}, {", ".join("?" * len(rows.ALERT_COLUMNS))}, 0)
"""  # noqa: S608 - names from our own schema
# The older kind of the original table: its id is no number, and may not be null.
_INSERT_ALERT_WITH_TEXT_ID = f"""
INSERT INTO alert (rowid, {_ALERT_COLUMNS}, sent, id)
VALUES ({position.ROWID_OF_NEXT_ALERT}, {", ".join("?" * len(rows.ALERT_COLUMNS))}, 0, ?)
"""  # noqa: S608 - the same
_INSERT_EVENT = f"""
INSERT INTO device_event (position, {_EVENT_COLUMNS})
VALUES ({position.OF_NEXT_EVENT}, {", ".join("?" * len(event_rows.COLUMNS))})
"""  # noqa: S608 - the same
_UNSENT = "sent = 0 AND refused_reason IS NULL"
_PENDING_ALERTS = f"""
SELECT rowid, {_ALERT_COLUMNS} FROM alert
WHERE {_UNSENT} AND rowid > ? ORDER BY rowid LIMIT ?
"""  # noqa: S608 - the same
_PENDING_EVENTS = f"""
SELECT position, {_EVENT_COLUMNS} FROM device_event
WHERE {_UNSENT} AND position > ? ORDER BY position LIMIT ?
"""  # noqa: S608 - the same
_OLDEST = f"""
SELECT * FROM (SELECT created_at FROM alert WHERE {_UNSENT} ORDER BY rowid LIMIT 1)
UNION ALL
SELECT * FROM (SELECT created_at FROM device_event WHERE {_UNSENT} ORDER BY position LIMIT 1)
"""  # noqa: S608 - the same


class Pending(NamedTuple):
    """An unsent row: its message, or why it has none. `position` rises in the order of storing."""

    position: int
    wire: rows.Wire | InvalidMessage


class Unsent(NamedTuple):
    """How many rows wait for the broker, not counting refused ones."""

    alerts: int
    device_events: int


class Outbox:
    """One connection to the outbox; not for two threads at the same moment."""

    def __init__(
        self,
        connection: sqlite3.Connection,
        path: Path | None = None,
        identity: tuple[int, int] | None = None,
    ) -> None:
        self._connection = connection
        self._path = path
        self._identity = identity
        kinds = {row[1]: row[2].lower() for row in connection.execute("PRAGMA table_info(alert)")}
        self._has_text_id = kinds["id"] == "text"

    @classmethod
    def open(cls, path: Path) -> Self:
        """Open or create the file; a damaged one is put aside, see `quarantine.connect`."""
        opened = quarantine.connect(path, now=datetime.now(UTC))
        return cls(opened.connection, path, opened.identity)

    @property
    def is_moved(self) -> bool:
        """Whether another file lies at the path by now, or none: what is stored here is lost."""
        return self._path is not None and schema.identity(self._path) != self._identity

    def put_aside(self, reason: str) -> None:
        """Close a file that turned out to be damaged, and have it replaced; `open` comes next.

        Raises:
            Unavailable: The disk does not allow it now.
        """
        self.close()
        if self._path is not None and self._identity is not None:
            quarantine.replace(self._path, self._identity, reason, now=datetime.now(UTC))

    def reopened(self) -> Self:
        """Close and open what lies at the path now.

        Raises:
            Misconfigured, Unavailable: As `open`.
        """
        self.close()
        if self._path is None:
            raise RuntimeError("the outbox has no path")
        return type(self).open(self._path)

    def _check_place(self) -> None:
        if self.is_moved:
            raise Unavailable("outbox", f"{self._path} was moved or replaced while in use")

    def append(self, told: Alert | DeviceEvent) -> None:
        """Store an alert or a device event; once this returns, a power cut does not lose it.

        Raises:
            sqlite3.OperationalError: The disk is full, cannot be written, or was busy for 10 s.
            Unavailable: The file was moved away: the next one has to take it.
        """
        self._insert(told)
        self._check_place()

    def append_all(self, told: Sequence[Alert | DeviceEvent]) -> None:
        """Store alerts and device events in their order, all of them or none, with one fsync.

        Raises:
            sqlite3.OperationalError, Unavailable: As `append`.
        """
        if not told:
            return
        with transaction(self._connection):
            for one in told:
                self._insert(one)
        self._check_place()

    def _insert(self, told: Alert | DeviceEvent) -> None:
        if isinstance(told, DeviceEvent):
            self._connection.execute(_INSERT_EVENT, event_rows.values(told))
        elif self._has_text_id:
            values = (*rows.values(told), str(told.event_id))
            self._connection.execute(_INSERT_ALERT_WITH_TEXT_ID, values)
        else:
            self._connection.execute(_INSERT_ALERT, rows.values(told))

    def pending(self, *, after: int, limit: int, size_bytes_max: int) -> list[Pending]:
        """Return the next unsent rows of both tables in one order, at least one if there is any.

        Args:
            after: Position behind which to begin; 0 for the oldest.
            limit: At most so many rows.
            size_bytes_max: Stop before their messages together are larger than this.
        """
        try:
            return self._pending(after, limit, size_bytes_max)
        except sqlite3.OperationalError as error:
            if not str(error).startswith("Could not decode to UTF-8"):
                raise
        # Text that is none, from a foreign program or a bad disk, must not block the rows behind.
        self._connection.text_factory = _legible
        try:
            return self._pending(after, limit, size_bytes_max)
        finally:
            self._connection.text_factory = str

    def _pending(self, after: int, limit: int, size_bytes_max: int) -> list[Pending]:
        found: list[Pending] = []
        size_bytes = 0
        # Of one moment: an alert stored between the two reads would else be overtaken.
        with snapshot(self._connection), closing(self._alerts(after, limit)) as alerts:
            events = self._events(after, limit, size_bytes_max)
            for pending in heapq.merge(alerts, events, key=_position) if events else alerts:
                if isinstance(pending.wire, rows.Wire):
                    size_bytes += len(pending.wire.value)
                if found and (size_bytes > size_bytes_max or len(found) == limit):
                    break
                found.append(pending)
        return found

    def _alerts(self, after: int, limit: int) -> Generator[Pending, None, None]:
        cursor = self._connection.execute(_PENDING_ALERTS, (position.alert_rowid(after), limit))
        with closing(cursor):
            for rowid, *columns in cursor:
                yield Pending(position.of_alert(rowid), _wire_of(rows.wire, tuple(columns)))

    def _events(self, after: int, limit: int, size_bytes_max: int) -> list[Pending]:
        """Return no more than what fills a batch alone."""
        found: list[Pending] = []
        size_bytes = 0
        with closing(self._connection.execute(_PENDING_EVENTS, (after, limit))) as cursor:
            for place, *columns in cursor:
                pending = Pending(place, _wire_of(event_rows.wire, tuple(columns)))
                found.append(pending)
                if isinstance(pending.wire, rows.Wire):
                    size_bytes += len(pending.wire.value)
                if size_bytes > size_bytes_max:
                    break
        return found

    def mark_sent(self, positions: Sequence[int]) -> None:
        """Mark rows; those of a file that was moved away will be found again in the next one.

        Raises:
            Unavailable: The file was moved away.
        """
        self._check_place()
        # 0 and 1 take the same room in a record, so SQLite leaves the picture's pages untouched.
        with transaction(self._connection):
            self._connection.executemany(
                "UPDATE alert SET sent = 1 WHERE rowid = ?",
                [(position.alert_rowid(one),) for one in positions if position.is_alert(one)],
            )
            self._connection.executemany(
                "UPDATE device_event SET sent = 1 WHERE position = ?",
                [(one,) for one in positions if not position.is_alert(one)],
            )

    def refuse(self, place: int, reason: str) -> None:
        """Set the row at a position aside for a person to look at; neither sent nor evicted."""
        if position.is_alert(place):
            statement = "UPDATE alert SET refused_reason = ? WHERE rowid = ?"
            self._connection.execute(statement, (reason, position.alert_rowid(place)))
        else:
            statement = "UPDATE device_event SET refused_reason = ? WHERE position = ?"
            self._connection.execute(statement, (reason, place))

    def drop_picture(self, place: int) -> bool:
        """Keep the metadata and forget the picture; return whether there was one."""
        if not position.is_alert(place):
            return False
        cursor = self._connection.execute(
            "UPDATE alert SET image_data = x'' WHERE rowid = ? AND length(image_data) > 0",
            (position.alert_rowid(place),),
        )
        return cursor.rowcount > 0

    def unsent(self) -> Unsent:
        """Return how many rows of each table wait for the broker."""
        row = self._connection.execute(
            f"SELECT (SELECT count(*) FROM alert WHERE {_UNSENT}),"  # noqa: S608 - our own words
            f" (SELECT count(*) FROM device_event WHERE {_UNSENT})"
        ).fetchone()
        return Unsent(*row)

    def unsent_count(self) -> int:
        """Return how many rows wait for the broker, alerts and device events together."""
        return sum(self.unsent())

    def oldest_unsent_at(self) -> datetime | None:
        """Return when the oldest row that waits was stamped; None when nothing does."""
        moments = []
        for (text,) in self._connection.execute(_OLDEST):
            try:
                moments.append(contract.event_time(str(text)))
            except InvalidAlert:  # a foreign program's; it will be refused
                continue
        return min(moments, default=None)

    def data_version(self) -> int:
        """Return a number that changes with every commit of another connection; cheap.

        Raises:
            Unavailable: The file was moved away.
        """
        self._check_place()
        (version,) = self._connection.execute("PRAGMA data_version").fetchone()
        return int(version)

    def close(self) -> None:
        self._connection.close()

    @property
    def connection(self) -> sqlite3.Connection:
        """The connection, for `eviction` and `checkpoint`, which share it."""
        return self._connection


def _position(pending: Pending) -> int:
    return pending.position


def _wire_of(
    wire: Callable[[tuple[Any, ...]], rows.Wire], columns: tuple[Any, ...]
) -> rows.Wire | InvalidMessage:
    try:
        return wire(columns)
    except InvalidMessage as error:
        return error


def _legible(text: bytes) -> str:
    return text.decode(errors="replace")
