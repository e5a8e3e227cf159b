"""Reading the archive: an alert, its device and its picture."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from notifier.ledger import Connection


@dataclass(frozen=True, slots=True)
class Heading:
    """Enough of an alert to judge it; `event_id` is text that stays the same for this alert."""

    id: int
    event_id: str
    event_time: datetime
    device_id: str
    camera: str


@dataclass(frozen=True, slots=True)
class Alert:
    """What a mail tells of an alert.

    Attributes:
        label: The judgement in the archive's words; None is the original programs' missing mask.
        probability: Of the label, in [0, 1]; None when it is not known.
        longitude, latitude: Degrees, WGS 84; None when it is not known.
        picture: An encoded picture; None when there is none to mail.
        picture_bytes: Its size in the archive, also when it is too large to be mailed; else 0.
        is_picture_missing: The alert names a picture, and the archive has none of that number.
    """

    id: int
    event_id: str
    event_time: datetime
    device_id: str
    device_type: str = ""
    camera: str = ""
    label: str | None = None
    probability: float | None = None
    longitude: float | None = None
    latitude: float | None = None
    is_clock_uncertain: bool = False
    picture: bytes | None = field(default=None, repr=False)
    picture_bytes: int = 0
    is_picture_missing: bool = False


_EVENT_ID = "coalesce(a.event_id::text, 'alert-' || a.id)"

_HEADINGS = f"""
SELECT a.id, {_EVENT_ID} AS event_id, a.event_time,
       coalesce(a.device_id::text, '') AS device_id, coalesce(a.camera, '') AS camera
FROM alert a WHERE a.id = ANY($1::bigint[])
"""  # noqa: S608 - made of constants

_ALERTS = f"""
SELECT a.id, {_EVENT_ID} AS event_id, a.event_time,
       coalesce(a.device_id::text, '') AS device_id, coalesce(a.camera, '') AS camera,
       a.label, a.probability, a.longitude, a.latitude,
       coalesce(a.clock_quality = 'uncertain', false) AS is_clock_uncertain,
       coalesce(d.type, '') AS device_type,
       coalesce(octet_length(i.data), 0) AS picture_bytes,
       a.image_id IS NOT NULL AND i.id IS NULL AS is_picture_missing,
       CASE WHEN octet_length(i.data) BETWEEN 1 AND $2 THEN i.data END AS picture
FROM alert a
LEFT JOIN device d ON d.id = a.device_id
LEFT JOIN image i ON i.id = a.image_id
WHERE a.id = ANY($1::bigint[])
"""  # noqa: S608 - made of constants


async def headings(connection: Connection, ids: Sequence[int]) -> dict[int, Heading]:
    """Return the archived ones of these alerts, by id."""
    rows = await connection.fetch(_HEADINGS, ids)
    return {row["id"]: Heading(**row) for row in rows}


async def read(
    connection: Connection, ids: Sequence[int], *, picture_bytes_max: int
) -> dict[int, Alert]:
    """Return the archived ones of these alerts, by id; a larger picture stays where it is."""
    rows = await connection.fetch(_ALERTS, ids, picture_bytes_max)
    return {row["id"]: _alert(dict(row)) for row in rows}


def _alert(row: dict[str, Any]) -> Alert:
    if not row["probability"]:
        row["probability"] = None
    if not row["longitude"] and not row["latitude"]:  # what a device without a position says
        row["longitude"] = row["latitude"] = None
    return Alert(**row)
