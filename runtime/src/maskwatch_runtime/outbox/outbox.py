"""Reading and writing the outbox. Every method is one transaction, durable on return."""

import sqlite3
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple, Self

from maskwatch_proto.alert import Alert
from maskwatch_proto.contract import InvalidAlert

from maskwatch_runtime.outbox import rows, schema
from maskwatch_runtime.outbox.transaction import transaction

_COLUMNS = ", ".join(rows.ALERT_COLUMNS)
_INSERT = (
    f"INSERT INTO alert (id, {_COLUMNS}, sent)"  # noqa: S608 - names from our own schema
    f" VALUES (?, {', '.join('?' * len(rows.ALERT_COLUMNS))}, 0)"
)
_PENDING = f"""
SELECT rowid, {_COLUMNS} FROM alert
WHERE sent = 0 AND refused_reason IS NULL AND rowid > ? ORDER BY rowid LIMIT ?
"""  # noqa: S608 - the same


class Pending(NamedTuple):
    """An unsent row: its message, or why it has none."""

    row_id: int
    wire: rows.Wire | InvalidAlert


class Outbox:
    """One connection to the outbox; not for two threads at the same moment."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection
        kinds = {row[1]: row[2].lower() for row in connection.execute("PRAGMA table_info(alert)")}
        # The older kind of the original table: its id is no number, and may not be null.
        self._has_text_id = kinds["id"] == "text"

    @classmethod
    def open(cls, path: Path) -> Self:
        """Open or create the file; see `schema.connect` for what is refused."""
        return cls(schema.connect(path))

    def append(self, alert: Alert) -> None:
        """Store the alert; once this returns, a power cut does not lose it.

        Raises:
            sqlite3.OperationalError: The disk is full, cannot be written, or was busy for 10 s.
        """
        row_id = str(alert.event_id) if self._has_text_id else None
        self._connection.execute(_INSERT, (row_id, *rows.values(alert)))

    def pending(self, *, after: int, limit: int, size_bytes_max: int) -> list[Pending]:
        """Return the next unsent rows in order, at least one if there is any.

        Args:
            after: Row id behind which to begin; 0 for the oldest.
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
        cursor = self._connection.execute(_PENDING, (after, limit))
        for row_id, *columns in cursor:
            pending = Pending(row_id, _wire_of(tuple(columns)))
            if isinstance(pending.wire, rows.Wire):
                size_bytes += len(pending.wire.value)
            if found and size_bytes > size_bytes_max:
                break
            found.append(pending)
        cursor.close()
        return found

    def mark_sent(self, row_ids: Sequence[int]) -> None:
        # 0 and 1 take the same room in a record, so SQLite leaves the picture's pages untouched.
        with transaction(self._connection):
            self._connection.executemany(
                "UPDATE alert SET sent = 1 WHERE rowid = ?", [(row_id,) for row_id in row_ids]
            )

    def refuse(self, row_id: int, reason: str) -> None:
        """Set the row aside for a person to look at; it is neither sent nor evicted."""
        self._connection.execute(
            "UPDATE alert SET refused_reason = ? WHERE rowid = ?", (reason, row_id)
        )

    def drop_picture(self, row_id: int) -> bool:
        """Keep the metadata and forget the picture; return whether there was one."""
        cursor = self._connection.execute(
            "UPDATE alert SET image_data = x'' WHERE rowid = ? AND length(image_data) > 0",
            (row_id,),
        )
        return cursor.rowcount > 0

    def unsent_count(self) -> int:
        """Return how many rows wait for the broker, not counting refused ones."""
        (count,) = self._connection.execute(
            "SELECT count(*) FROM alert WHERE sent = 0 AND refused_reason IS NULL"
        ).fetchone()
        return int(count)

    def data_version(self) -> int:
        """Return a number that changes with every commit of another connection; cheap."""
        (version,) = self._connection.execute("PRAGMA data_version").fetchone()
        return int(version)

    def close(self) -> None:
        self._connection.close()

    @property
    def connection(self) -> sqlite3.Connection:
        """The connection, for `eviction` and `checkpoint`, which share it."""
        return self._connection


def _wire_of(columns: tuple[object, ...]) -> rows.Wire | InvalidAlert:
    try:
        return rows.wire(columns)
    except InvalidAlert as error:
        return error


def _legible(text: bytes) -> str:
    return text.decode(errors="replace")
