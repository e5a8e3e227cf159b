"""The cool-down of each camera in PostgreSQL: read under a lock, judged, written back."""

from collections.abc import Mapping, Sequence
from datetime import datetime

from notifier.deliveries import CameraKey
from notifier.ledger import Connection
from notifier.policy import CameraState

_ADD_CAMERAS = """
INSERT INTO camera_cooldown (device_id, camera)
SELECT * FROM unnest($1::text[], $2::text[]) ON CONFLICT DO NOTHING
"""
# In one order for all replicas: no deadlock.
_LOCK_CAMERAS = """
SELECT c.* FROM camera_cooldown c
JOIN unnest($1::text[], $2::text[]) AS wanted (device_id, camera) USING (device_id, camera)
ORDER BY c.device_id, c.camera FOR UPDATE OF c
"""
_SET_CAMERAS = """
UPDATE camera_cooldown c
SET last_sent_at = s.last_sent_at, open_alert_id = s.open_alert_id, open_until = s.open_until,
    suppressed = s.suppressed, suppressed_since = s.suppressed_since
FROM unnest(
    $1::text[], $2::text[], $3::timestamptz[], $4::bigint[], $5::timestamptz[], $6::int[],
    $7::timestamptz[]
) AS s (device_id, camera, last_sent_at, open_alert_id, open_until, suppressed, suppressed_since)
WHERE c.device_id = s.device_id AND c.camera = s.camera
"""


async def lock_cameras(
    connection: Connection, keys: Sequence[CameraKey]
) -> tuple[dict[CameraKey, CameraState], datetime]:
    """Return the cameras' states and the database's time; locked until the transaction ends."""
    columns = [device for device, _ in keys], [camera for _, camera in keys]
    await connection.execute(_ADD_CAMERAS, *columns)
    rows = await connection.fetch(_LOCK_CAMERAS, *columns)
    # Not the transaction's beginning: another replica may have held the lock since then.
    now: datetime = await connection.fetchval("SELECT clock_timestamp()")
    states = {
        (row["device_id"], row["camera"]): CameraState(
            last_sent_at=row["last_sent_at"],
            open_alert_id=row["open_alert_id"],
            open_until=row["open_until"],
            suppressed=row["suppressed"],
            suppressed_since=row["suppressed_since"],
        )
        for row in rows
    }
    return states, now


async def set_cameras(connection: Connection, states: Mapping[CameraKey, CameraState]) -> None:
    """Write locked cameras' new states."""
    await connection.execute(
        _SET_CAMERAS,
        [device for device, _ in states],
        [camera for _, camera in states],
        [state.last_sent_at for state in states.values()],
        [state.open_alert_id for state in states.values()],
        [state.open_until for state in states.values()],
        [state.suppressed for state in states.values()],
        [state.suppressed_since for state in states.values()],
    )
