"""Reading and writing the outbox. Every method is one transaction, durable on return."""

import sqlite3
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from maskwatch_proto.alert import Alert
from maskwatch_proto.contract import InvalidAlert

from maskwatch_runtime.outbox import rows, schema

_COLUMNS = ", ".join(rows.ALERT_COLUMNS)
_INSERT = (
    f"INSERT INTO alert ({_COLUMNS}, sent) VALUES ({', '.join('?' * len(rows.ALERT_COLUMNS))}, 0)"  # noqa: S608 - names from our own schema
)
_PENDING = f"""
SELECT rowid, {_COLUMNS} FROM alert
WHERE sent = 0 AND refused_reason IS NULL AND rowid > ? ORDER BY rowid LIMIT ?
"""  # noqa: S608 - the same


@dataclass(frozen=True, slots=True)
class Pending:
    """An unsent row: its alert, or why it is none."""

    row_id: int
    alert: Alert | InvalidAlert


class Outbox:
    """One connection to the outbox; not for two threads at the same moment."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection

    @classmethod
    def open(cls, path: Path) -> Self:
        """Open or create the file; see `schema.connect` for what is refused."""
        return cls(schema.connect(path))

    def append(self, alert: Alert) -> None:
        """Store the alert; once this returns, a power cut does not lose it.

        Raises:
            sqlite3.OperationalError: The disk is full, cannot be written, or was busy for 10 s.
        """
        self._connection.execute(_INSERT, rows.values(alert))

    def pending(self, *, after: int, limit: int, size_bytes_max: int) -> list[Pending]:
        """Return the next unsent rows in order, at least one if there is any.

        Args:
            after: Row id behind which to begin; 0 for the oldest.
            limit: At most so many rows.
            size_bytes_max: Stop before their pictures together are larger than this.
        """
        found: list[Pending] = []
        size_bytes = 0
        cursor = self._connection.execute(_PENDING, (after, limit))
        for row_id, *columns in cursor:
            pending = Pending(row_id, _alert_of(tuple(columns)))
            if isinstance(pending.alert, Alert):
                size_bytes += len(pending.alert.image.data)
            if found and size_bytes > size_bytes_max:
                break
            found.append(pending)
        cursor.close()
        return found

    def mark_sent(self, row_ids: Sequence[int]) -> None:
        # 0 and 1 take the same room in a record, so SQLite leaves the picture's pages untouched.
        with self._transaction():
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

    def _transaction(self) -> "_Transaction":
        return _Transaction(self._connection)


class _Transaction:
    """BEGIN IMMEDIATE to COMMIT: a writer that began by reading could not wait for another."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection

    def __enter__(self) -> None:
        self._connection.execute("BEGIN IMMEDIATE")

    def __exit__(self, kind: object, *_: object) -> None:
        self._connection.execute("COMMIT" if kind is None else "ROLLBACK")


def _alert_of(columns: tuple[object, ...]) -> Alert | InvalidAlert:
    try:
        return rows.alert(columns)
    except InvalidAlert as error:
        return error
