"""The ledger in PostgreSQL: who was told of what, and what is still to be told.

Every moment is the database's, so that replicas whose clocks differ agree on leases. A row belongs
to the `owner` that claimed it last: nobody else can change it, so a replica that was taken for
dead cannot undo what another has done since.
"""

from collections.abc import Sequence
from typing import TypeAlias
from uuid import UUID

from asyncpg import Record
from asyncpg.pool import PoolConnectionProxy

from notifier.deliveries import Change, Delivery, Key, Kind, NewDelivery, Subject
from notifier.retries import State

Connection: TypeAlias = PoolConnectionProxy

# --- entering ------------------------------------------------------------------------------------

_KNOWN = "SELECT DISTINCT alert_id FROM delivery WHERE alert_id = ANY($1::bigint[])"
_ADD_DELIVERIES = """
INSERT INTO delivery (
    alert_id, device_event_id, recipient, state, device_id, camera, event_time, message_id,
    further, further_since, due_at, next_try_at, deadline
)
SELECT d.*, CASE WHEN d.state = 'pending' THEN coalesce(d.due_at, now()) END,
    coalesce(d.due_at, now()) + make_interval(secs => $12)
FROM unnest(
    $1::bigint[], $2::bigint[], $3::text[], $4::text[], $5::text[], $6::text[],
    $7::timestamptz[], $8::text[], $9::int[], $10::timestamptz[], $11::timestamptz[]
) AS d (alert_id, device_event_id, recipient, state, device_id, camera, event_time, message_id,
        further, further_since, due_at)
ON CONFLICT DO NOTHING
"""


async def known(connection: Connection, alert_ids: Sequence[int]) -> set[int]:
    """Return those of the alerts that were judged before."""
    return {row["alert_id"] for row in await connection.fetch(_KNOWN, alert_ids)}


async def add(
    connection: Connection, deliveries: Sequence[NewDelivery], *, deadline_s: float
) -> None:
    """Enter deliveries; durable once the transaction is."""
    await connection.execute(
        _ADD_DELIVERIES,
        [_id(one.subject, Kind.ALERT) for one in deliveries],
        [_id(one.subject, Kind.DEVICE_EVENT) for one in deliveries],
        [one.recipient for one in deliveries],
        [one.state for one in deliveries],
        [one.camera[0] for one in deliveries],
        [one.camera[1] for one in deliveries],
        [one.event_time for one in deliveries],
        [one.message_id for one in deliveries],
        [one.further for one in deliveries],
        [one.further_since for one in deliveries],
        [one.due_at for one in deliveries],
        deadline_s,
    )


def _id(subject: Subject, kind: Kind) -> int | None:
    return subject.id if subject.kind is kind else None


# --- claiming ------------------------------------------------------------------------------------

_RETURNED = """
d.id, d.alert_id, d.device_event_id, d.recipient, d.message_id, d.further, d.further_since,
d.attempts, d.unknowns, d.deadline, coalesce(d.due_at, d.created_at) AS due_at,
extract(epoch FROM now() - coalesce(d.due_at, d.created_at))::float8 AS waited_s
"""
_TAKE = """
WITH due AS (
    SELECT id FROM delivery
    WHERE next_try_at <= now() AND {which} ORDER BY next_try_at, id
    LIMIT $3 FOR UPDATE SKIP LOCKED
)
UPDATE delivery d
SET state = {state}, owner = $1, next_try_at = now() + make_interval(secs => $2),
    updated_at = now()
FROM due WHERE d.id = due.id
RETURNING
"""
# A claim whose lease is over came to nothing: its owner never began to send.
_CLAIM = _TAKE.format(which="state <> 'sending'", state="'claimed'") + _RETURNED
# One that was being sent may have arrived.
_TAKE_OVER = (
    _TAKE.format(which="state = 'sending' AND sending_until <= now()", state="'sending'")
    + _RETURNED
)


async def claim(
    connection: Connection, *, owner: UUID, lease_s: float, limit: int
) -> list[Delivery]:
    """Take the deliveries that are due, longest waiting first; other replicas get others."""
    rows = await connection.fetch(_CLAIM, owner, lease_s, limit)
    return sorted((_delivery(row) for row in rows), key=lambda one: (one.subject, one.key))


async def take_over(
    connection: Connection, *, owner: UUID, lease_s: float, limit: int
) -> list[Delivery]:
    """Take deliveries whose owner died between the mail's data and writing down the answer."""
    rows = await connection.fetch(_TAKE_OVER, owner, lease_s, limit)
    return [_delivery(row) for row in rows]


def _delivery(row: Record) -> Delivery:
    values = dict(row)
    alert_id, event_id = values.pop("alert_id"), values.pop("device_event_id")
    is_alert = alert_id is not None
    subject = Subject(Kind.ALERT, alert_id) if is_alert else Subject(Kind.DEVICE_EVENT, event_id)
    return Delivery(key=values.pop("id"), subject=subject, **values)


# No column of an index changes: the new version of the row stays on its page.
# The commit does not wait for the disk: only if this process and the database's machine die at once
# could a mark be lost that a mail has followed.
_MARK = """
UPDATE delivery d
SET state = 'sending', sending_until = now() + make_interval(secs => $2), updated_at = now()
FROM unnest($3::bigint[]) AS m (id),
     (SELECT set_config('synchronous_commit', 'off', true)) AS transaction_setting
WHERE d.id = m.id AND d.owner = $1 AND d.state IN ('claimed', 'sending')
RETURNING d.id
"""


async def mark_sending(
    connection: Connection, keys: Sequence[Key], *, owner: UUID, lease_s: float
) -> set[Key]:
    """Mark claimed rows whose mails are about to leave; return those that are still ours."""
    return {row["id"] for row in await connection.fetch(_MARK, owner, lease_s, keys)}


# --- recording -----------------------------------------------------------------------------------

# An alert's mail that reached a person, surely or probably, starts the cool-down; only the sure one
# marks the alert. Locks are taken in one order for all replicas.
_RECORD = """
WITH change AS (
    SELECT * FROM unnest(
        $2::bigint[], $3::text[], $4::float8[], $5::text[], $6::int[], $7::int[]
    ) AS c (id, state, delay_s, reason, attempts, unknowns)
), recorded AS (
    UPDATE delivery d
    SET state = c.state, next_try_at = now() + make_interval(secs => c.delay_s),
        reason = c.reason, attempts = d.attempts + c.attempts,
        unknowns = d.unknowns + c.unknowns, updated_at = now(),
        sent_at = CASE WHEN c.state = 'sent' THEN now() END
    FROM change c
    WHERE d.id = c.id AND d.owner = $1 AND d.state IN ('claimed', 'sending')
    RETURNING d.alert_id, d.device_id, d.camera, d.state, d.next_try_at
), arrived AS (
    SELECT DISTINCT device_id, camera, alert_id FROM recorded
    WHERE alert_id IS NOT NULL
      AND (state = 'sent' OR (state = 'unknown' AND next_try_at IS NULL))
), told AS (
    UPDATE alert a SET notification_sent = true
    FROM (
        SELECT id FROM alert
        WHERE id IN (SELECT alert_id FROM recorded WHERE state = 'sent')
          AND notification_sent IS NOT TRUE
        ORDER BY id FOR UPDATE
    ) AS untold
    WHERE a.id = untold.id
), cooling AS (
    SELECT device_id, camera,
        coalesce(open_alert_id IN (SELECT alert_id FROM arrived), false) AS is_over
    FROM camera_cooldown
    WHERE (device_id, camera) IN (SELECT device_id, camera FROM arrived)
    ORDER BY device_id, camera FOR UPDATE
), cooled AS (
    UPDATE camera_cooldown c
    SET last_sent_at = now(),
        open_alert_id = CASE WHEN is_over THEN NULL ELSE c.open_alert_id END,
        open_until = CASE WHEN is_over THEN NULL ELSE c.open_until END
    FROM cooling WHERE c.device_id = cooling.device_id AND c.camera = cooling.camera
)
SELECT count(*) FROM recorded
"""
_LOCK_CAMERAS = """
SELECT 1 FROM camera_cooldown
WHERE (device_id, camera) IN (SELECT device_id, camera FROM delivery WHERE id = ANY($1::bigint[]))
ORDER BY device_id, camera FOR UPDATE
"""
# Nobody was told of these alerts, nor of those that their mails would have named: the next one
# does it, with a cool-down or without.
_COUNT_UNTOLD = """
WITH failed AS (
    SELECT DISTINCT ON (f.alert_id) f.alert_id, f.device_id, f.camera, f.further,
        LEAST(f.further_since, f.event_time) AS since
    FROM delivery f
    WHERE f.id = ANY($1::bigint[]) AND f.alert_id IS NOT NULL AND NOT EXISTS (
        SELECT 1 FROM delivery d
        WHERE d.alert_id = f.alert_id
          AND (d.state IN ('sent', 'unknown') OR d.next_try_at IS NOT NULL)
    )
), untold AS (
    SELECT device_id, camera, sum(further + 1)::int AS alerts, min(since) AS since,
        array_agg(alert_id) AS alert_ids
    FROM failed GROUP BY device_id, camera
)
UPDATE camera_cooldown c
SET open_alert_id = CASE WHEN c.open_alert_id = ANY(alert_ids) THEN NULL ELSE open_alert_id END,
    open_until = CASE WHEN c.open_alert_id = ANY(alert_ids) THEN NULL ELSE open_until END,
    suppressed = c.suppressed + untold.alerts,
    suppressed_since = LEAST(c.suppressed_since, untold.since)
FROM untold WHERE c.device_id = untold.device_id AND c.camera = untold.camera
"""
_FAILED = (State.BOUNCED, State.EXPIRED, State.WITHDRAWN)


async def record(connection: Connection, changes: Sequence[Change], *, owner: UUID) -> None:
    """Write the changes of the rows that are still ours, in one transaction."""
    failed = [one.key for one in changes if one.state in _FAILED]
    if not failed:
        await _record(connection, changes, owner)
        return
    async with connection.transaction():
        await _record(connection, changes, owner)
        await connection.execute(_LOCK_CAMERAS, failed)
        await connection.execute(_COUNT_UNTOLD, failed)


async def _record(connection: Connection, changes: Sequence[Change], owner: UUID) -> None:
    await connection.execute(
        _RECORD,
        owner,
        [one.key for one in changes],
        [one.state for one in changes],
        [one.delay_s for one in changes],
        [one.reason for one in changes],
        [one.attempts for one in changes],
        [one.unknowns for one in changes],
    )
