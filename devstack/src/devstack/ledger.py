"""How far an alert has come: counts at every station of its path."""

import asyncio
import sqlite3
import time
from dataclasses import dataclass
from pathlib import Path

import asyncpg

_POLL_S = 0.1
_ARCHIVE = """
SELECT
    (SELECT count(*) FROM alert) AS archived,
    (SELECT count(*) FROM notification_request WHERE published_at IS NULL) AS unrequested,
    (SELECT count(*) FROM delivery WHERE state = 'sent' AND alert_id IS NOT NULL) AS mailed,
    (SELECT count(DISTINCT alert_id) FROM delivery) AS judged,
    (SELECT count(*) FROM delivery
        WHERE next_try_at IS NOT NULL AND alert_id IS NOT NULL) AS owed
"""


@dataclass(frozen=True)
class Counts:
    """What stands at each station.

    Attributes:
        made: Alerts in the outbox, sent or not.
        unsent: Those that wait for the broker.
        archived: Alerts in the archive.
        unrequested: Requests for a mail that are still to be published.
        judged: Alerts that the notifier has decided on.
        mailed: Mails about alerts that the server has taken.
        owed: Mails about alerts that are still to be sent.
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


async def until_settled(outbox: Path, dsn: str, *, timeout_s: float) -> Counts:
    """Wait until every alert has come to the end of its path.

    Raises:
        TimeoutError: Some have not; the message holds the counts.
    """
    deadline_s = time.monotonic() + timeout_s
    while not (now := await counts(outbox, dsn)).is_settled:
        if time.monotonic() > deadline_s:
            raise TimeoutError(f"the path did not come to rest in {timeout_s:.0f} s: {now}")
        await asyncio.sleep(_POLL_S)
    return now


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
