"""How far an alert has come: counts at every station of its path."""

import sqlite3
from dataclasses import dataclass
from pathlib import Path

import asyncpg

_ARCHIVE = """
SELECT
    (SELECT count(*) FROM alert) AS archived,
    (SELECT count(*) FROM notification_request WHERE published_at IS NULL) AS unrequested,
    (SELECT count(*) FROM delivery WHERE state = 'sent') AS mailed,
    (SELECT count(DISTINCT alert_id) FROM delivery) AS judged,
    (SELECT count(*) FROM delivery WHERE next_try_at IS NOT NULL) AS owed
"""


@dataclass(frozen=True)
class Counts:
    """Attributes: alerts made at the edge; unsent there; archived; requests that are still to be
    published; alerts that the notifier has judged; mails sent; mails that are still owed.
    """

    made: int = 0
    unsent: int = 0
    archived: int = 0
    unrequested: int = 0
    judged: int = 0
    mailed: int = 0
    owed: int = 0

    @property
    def is_settled(self) -> bool:
        """Whether every alert made has arrived at the end of its path."""
        arrived = self.made == self.archived == self.judged
        return arrived and not (self.unsent or self.unrequested or self.owed)


async def counts(outbox: Path, dsn: str) -> Counts:
    """Return the counts of this moment."""
    connection = await asyncpg.connect(dsn)
    try:
        archive = await connection.fetchrow(_ARCHIVE)
    finally:
        await connection.close()
    made, unsent = _edge(outbox)
    return Counts(made=made, unsent=unsent, **dict(archive or {}))


def _edge(outbox: Path) -> tuple[int, int]:
    if not outbox.exists():
        return 0, 0
    connection = sqlite3.connect(f"file:{outbox}?mode=ro", uri=True, timeout=10)
    try:
        row = connection.execute(
            "SELECT count(*), count(*) FILTER (WHERE sent = 0) FROM alert"
        ).fetchone()
    except sqlite3.OperationalError:  # the detector has not made the table yet
        return 0, 0
    finally:
        connection.close()
    return int(row[0]), int(row[1])
