"""Mails about cameras in PostgreSQL: which mail tells of which change, and when it is due.

The mails' own rows stand in the ledger, as those about alerts do.
"""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime

from asyncpg import Record

from notifier.camera_policy import DeviceState, OpenMail
from notifier.ledger import Connection


@dataclass(frozen=True, slots=True)
class Notice:
    """A change that a mail tells of; `mail_id` is the mail's first event."""

    event_id: int
    mail_id: int
    device_id: str
    camera: str
    due_at: datetime


# The queue's own namespace in the database's advisory locks. In one order: no deadlock.
_LOCK = """
SELECT pg_advisory_xact_lock(hashtextextended('camera_notice ' || device_id, 0))
FROM (SELECT DISTINCT unnest($1::text[]) AS device_id ORDER BY 1) AS wanted
"""
_KNOWN = "SELECT device_event_id FROM camera_notice WHERE device_event_id = ANY($1::bigint[])"
# What is not claimed and was never tried can still be changed; it stays so while it is locked.
_OPEN = """
SELECT d.device_id, d.device_event_id, d.due_at,
    (SELECT count(*) FROM delivery a WHERE a.device_event_id = d.device_event_id) AS recipients
FROM delivery d
WHERE d.device_id = ANY($1::text[]) AND d.device_event_id IS NOT NULL
  AND d.next_try_at IS NOT NULL AND d.state = 'pending' AND d.attempts = 0
ORDER BY d.id FOR UPDATE SKIP LOCKED
"""
_TOLD = """
SELECT DISTINCT device_id, camera, mail_id, due_at FROM camera_notice
WHERE device_id = ANY($1::text[]) AND due_at > clock_timestamp() - interval '1 hour'
"""
_ADD = """
INSERT INTO camera_notice (device_event_id, mail_id, device_id, camera, due_at)
SELECT * FROM unnest($1::bigint[], $2::bigint[], $3::text[], $4::text[], $5::timestamptz[])
"""
_HASTEN = """
WITH mail AS (SELECT * FROM unnest($1::bigint[], $2::timestamptz[]) AS m (id, due_at)),
notice AS (
    UPDATE camera_notice n SET due_at = mail.due_at FROM mail
    WHERE n.mail_id = mail.id AND n.due_at <> mail.due_at
)
UPDATE delivery d
SET due_at = mail.due_at, next_try_at = LEAST(d.next_try_at, mail.due_at), updated_at = now()
FROM mail WHERE d.device_event_id = mail.id AND d.due_at <> mail.due_at
"""


async def lock_devices(
    connection: Connection, device_ids: Iterable[str]
) -> tuple[dict[str, DeviceState], datetime]:
    """Return the devices' states and the database's time; locked until the transaction ends."""
    ids = sorted(set(device_ids))
    await connection.execute(_LOCK, ids)
    # Statements of their own: each sees what was committed while the lock was waited for.
    opened = _open_mails(await connection.fetch(_OPEN, ids))
    told: dict[str, dict[str, dict[int, datetime]]] = {name: defaultdict(dict) for name in ids}
    for row in await connection.fetch(_TOLD, ids):
        told[row["device_id"]][row["camera"]][row["mail_id"]] = row["due_at"]
    now: datetime = await connection.fetchval("SELECT clock_timestamp()")
    return {name: DeviceState(opened.get(name), told[name]) for name in ids}, now


def _open_mails(rows: Sequence[Record]) -> dict[str, OpenMail]:
    """Return each device's latest mail of which every recipient's row is still untouched."""
    locked: dict[int, int] = defaultdict(int)
    opened = {}
    for row in rows:
        number = row["device_event_id"]
        locked[number] += 1
        if locked[number] == row["recipients"]:
            opened[row["device_id"]] = OpenMail(number, row["due_at"])
    return opened


async def known(connection: Connection, event_ids: Sequence[int]) -> set[int]:
    """Return those of the events that were judged before."""
    rows = await connection.fetch(_KNOWN, event_ids)
    return {row["device_event_id"] for row in rows}


async def add(connection: Connection, notices: Sequence[Notice]) -> None:
    """Enter changes that were judged, and bring mails forward that they make due earlier."""
    await connection.execute(
        _ADD,
        [one.event_id for one in notices],
        [one.mail_id for one in notices],
        [one.device_id for one in notices],
        [one.camera for one in notices],
        [one.due_at for one in notices],
    )
    due = {one.mail_id: one.due_at for one in notices}  # the last one's is the mail's
    await connection.execute(_HASTEN, list(due), list(due.values()))
