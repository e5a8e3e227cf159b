"""Reading the archive: cameras that went down or came back."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from asyncpg import Record
from maskwatch_proto.device_event import CameraChanged
from maskwatch_proto.invalid import first_problem
from pydantic import ValidationError

from notifier.ledger import Connection

CAMERA_CHANGED = "camera_changed"


@dataclass(frozen=True, slots=True)
class Heading:
    """A device event, enough to judge it.

    Attributes:
        problem: Why no mail can tell of it; empty when one can.
        is_repeated: The camera was said to be so before: a device that starts anew says of each
            camera once more whether it works. One that was never down is not back.
    """

    id: int
    event_id: str
    event_time: datetime
    device_id: str
    camera: str
    is_repeated: bool
    problem: str


@dataclass(frozen=True, slots=True)
class CameraReport:
    """A camera's last change in a mail, and how often it changed since the first one.

    Attributes:
        changes: Events that the mail tells of, this one included.
        first_since: When the first of them happened, by the device's clock.
    """

    camera: str
    last: CameraChanged
    changes: int
    first_since: datetime
    is_clock_uncertain: bool


@dataclass(frozen=True, slots=True)
class Report:
    """What one mail tells of a device's cameras, by camera; `event_id` is its first event's."""

    id: int
    event_id: str
    device_id: str
    device_type: str
    cameras: tuple[CameraReport, ...]


_HEADINGS = """
SELECT e.id, e.event_id::text AS event_id, e.event_time, e.device_id::text AS device_id,
    e.camera, e.kind, e.detail::text AS detail,
    coalesce(e.detail ->> 'state' = coalesce((
        SELECT before.detail ->> 'state' FROM device_event before
        WHERE before.device_id = e.device_id AND before.kind = e.kind
          AND before.camera = e.camera AND before.id < e.id
        ORDER BY before.id DESC LIMIT 1
    ), 'up'), false) AS is_repeated
FROM device_event e WHERE e.id = ANY($1::bigint[])
"""
# The archive's numbers rise in the order in which the device stored its events.
_REPORTS = """
SELECT DISTINCT ON (n.mail_id, e.camera)
    n.mail_id, e.camera, e.detail::text AS detail,
    coalesce(e.clock_quality = 'uncertain', false) AS is_clock_uncertain,
    count(*) OVER camera AS changes,
    min((e.detail ->> 'since')::timestamptz) OVER camera AS first_since,
    first.event_id::text AS event_id, first.device_id::text AS device_id, d.type AS device_type
FROM camera_notice n
JOIN device_event e ON e.id = n.device_event_id
JOIN device_event first ON first.id = n.mail_id
JOIN device d ON d.id = first.device_id
WHERE n.mail_id = ANY($1::bigint[])
WINDOW camera AS (PARTITION BY n.mail_id, e.camera)
ORDER BY n.mail_id, e.camera, e.id DESC
"""


async def headings(connection: Connection, ids: Sequence[int]) -> dict[int, Heading]:
    """Return the archived ones of these events, by id."""
    rows = await connection.fetch(_HEADINGS, ids)
    return {row["id"]: _heading(dict(row)) for row in rows}


async def read(connection: Connection, mail_ids: Sequence[int]) -> dict[int, Report]:
    """Return what these mails tell, by the id of each one's first event."""
    by_mail: dict[int, list[Record]] = {}
    for row in await connection.fetch(_REPORTS, mail_ids):
        by_mail.setdefault(row["mail_id"], []).append(row)
    return {number: _report(number, rows) for number, rows in by_mail.items()}


def _heading(row: dict[str, Any]) -> Heading:
    kind, detail = row.pop("kind"), row.pop("detail")
    if kind != CAMERA_CHANGED:
        return Heading(**row, problem=f"is of kind {kind}, which no mail tells of")
    try:
        _changed(detail)
    except ValidationError as error:
        path, reason = first_problem(error)
        return Heading(**row, problem=f"has a wrong {'.'.join(path) or 'detail'}: {reason}")
    return Heading(**row, problem="")


def _report(number: int, rows: Sequence[Record]) -> Report:
    first = rows[0]
    cameras = tuple(
        CameraReport(
            camera=row["camera"],
            last=_changed(row["detail"]),
            changes=row["changes"],
            first_since=row["first_since"],
            is_clock_uncertain=row["is_clock_uncertain"],
        )
        for row in rows
    )
    return Report(number, first["event_id"], first["device_id"], first["device_type"], cameras)


def _changed(detail: str) -> CameraChanged:
    """Return what the archive keeps; a field of a later version is passed over."""
    kept = json.loads(detail)
    known = kept if isinstance(kept, Mapping) else {}
    return CameraChanged.model_validate(
        {name: known[name] for name in CameraChanged.model_fields if name in known}
    )
