"""Whether the numbers of the devices add up: asked now and then, shown as metrics.

Of what was archived in the last ten minutes; the views `device_boot` and `sequence_gap` tell of all
times.
"""

import asyncio
from dataclasses import asdict, dataclass

import structlog
from maskwatch_runtime.errors import Unavailable
from maskwatch_runtime.postgres import Pool
from maskwatch_runtime.retry import sleep_unless_stopped

from ingress.metrics import Oddities

_log = structlog.get_logger()

# Each topic keeps a device's order, the two together do not: of a start that both tell of, what
# counts begins where both have begun.
_ODDITIES = """
WITH told AS (
    SELECT 'alert' AS topic, device_id, boot_id, sequence, event_time FROM alert
    WHERE received_at > now() - interval '10 minutes' AND boot_id <> ''
    UNION ALL
    SELECT 'device event', device_id, boot_id, sequence, event_time FROM device_event
    WHERE received_at > now() - interval '10 minutes' AND boot_id <> ''
), begun AS (
    SELECT device_id, boot_id, max(lowest) AS lowest
    FROM (
        SELECT device_id, boot_id, min(sequence) AS lowest
        FROM told GROUP BY topic, device_id, boot_id
    ) AS of_a_topic
    GROUP BY device_id, boot_id
), boot AS (
    SELECT
        device_id,
        boot_id,
        max(sequence)::numeric - min(sequence) + 1 - count(DISTINCT sequence) AS missing,
        count(*) - count(DISTINCT sequence) AS repeated,
        min(event_time) AS first_at,
        max(event_time) AS last_at
    FROM told JOIN begun USING (device_id, boot_id)
    WHERE sequence >= lowest
    GROUP BY device_id, boot_id
), compared AS (
    SELECT missing, repeated, first_at < max(last_at) OVER (
        PARTITION BY device_id ORDER BY first_at, boot_id
        ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING) AS is_overlapping
    FROM boot
)
SELECT
    COALESCE(sum(missing), 0),
    COALESCE(sum(repeated), 0),
    count(*) FILTER (WHERE is_overlapping),
    (SELECT count(*) FROM device WHERE first_seen_at > now() - interval '10 minutes')
FROM compared
"""


@dataclass(frozen=True, slots=True)
class Found:
    """What does not add up, of the last ten minutes.

    Attributes:
        missing: Numbers between others of a device's start.
        repeated: Events whose number another one has.
        overlapping: Starts that began before another of the same device had ended.
        new_devices: Devices that were never heard of before.
    """

    missing: int = 0
    repeated: int = 0
    overlapping: int = 0
    new_devices: int = 0


async def look(pool: Pool) -> Found:
    """Return what the archive shows now.

    Raises:
        Unavailable: The database is away.
    """
    async with pool.connection() as connection:
        (row,) = await connection.fetch(_ODDITIES)
    return Found(*map(int, row))  # sums of numbers up to 2**63 come as Decimal


async def watch(pool: Pool, oddities: Oddities, *, every_s: float, stop: asyncio.Event) -> None:
    """Look until `stop` is set; what is new to the eye is logged once.

    A device's alerts and events come by two topics: for a moment, numbers of the slower one are
    missing. So only what two looks have seen is logged; alert on the metrics with a delay.
    """
    before, told = Found(), Found()
    while not await sleep_unless_stopped(every_s, stop=stop):
        try:
            found = await look(pool)
        except Unavailable as error:
            _log.warning("not looked", action="sequences", reason=error.reason)
            continue
        oddities.show(found.missing, found.repeated, found.overlapping, found.new_devices)
        lasting = lesser(before, found)
        if lasting != told and exceeds(lasting, told):
            _log.warning("a device's numbers do not add up", action="sequences", **asdict(lasting))
        before, told = found, lasting


def lesser(one: Found, other: Found) -> Found:
    """Return what both have seen."""
    return Found(
        min(one.missing, other.missing),
        min(one.repeated, other.repeated),
        min(one.overlapping, other.overlapping),
        min(one.new_devices, other.new_devices),
    )


def exceeds(one: Found, other: Found) -> bool:
    """Return whether there is more of anything than there was."""
    return lesser(one, other) != one
