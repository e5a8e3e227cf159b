"""Alerts and device events as the arrays that the statements take; pure."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from maskwatch_proto.alert import Alert, FaceBox, Model
from maskwatch_proto.device_event import DeviceEvent

Columns = Sequence[Sequence[Any]]
_NO_BOX = (None, None, None, None)


def alerts(batch: Iterable[Alert]) -> Columns:
    """Return one sequence per parameter of `statements.ALERTS`."""
    return transposed([_alert(alert) for alert in batch])


def images(numbers: Mapping[Any, int], batch: Iterable[Alert]) -> Columns:
    """Return the parameters of `statements.IMAGES`, for the alerts that have a picture.

    Args:
        numbers: The archive's number by event id; alerts that are not in it are left out.
        batch: Alerts of distinct event ids.
    """
    if not numbers:
        return []
    rows = []
    for alert in batch:
        number, image = numbers.get(alert.event_id), alert.image
        if number is not None and image.data:
            rows.append((number, image.format, image.width, image.height, image.data))
    return transposed(rows)


def events(batch: Iterable[DeviceEvent]) -> Columns:
    """Return one sequence per parameter of `statements.EVENTS`, rows in the order of the batch."""
    return transposed([_event(event) for event in batch])


def devices(batch: Iterable[Alert | DeviceEvent]) -> Columns:
    """Return the parameters of `statements.DEVICES`, one row per message, sorted by id."""
    return transposed([_device(told) for told in sorted(batch, key=lambda one: one.device.guid)])


def models(batch: Iterable[Model]) -> Columns:
    """Return the parameters of `statements.FACE_MODELS` and `MASK_MODELS`, sorted by id."""
    ordered = sorted(batch, key=lambda model: model.guid)
    return transposed([(model.guid, model.name, model.threshold) for model in ordered])


def transposed(rows: Sequence[tuple[Any, ...]]) -> Columns:
    """Return rows as columns; no rows give no columns."""
    return list(zip(*rows, strict=True))


def enrolled_at(text: str) -> datetime | None:
    """Return the time as PostgreSQL's `timestamp` in UTC, None for a text that is no time."""
    try:
        moment = datetime.fromisoformat(text)
        return moment.astimezone(UTC).replace(tzinfo=None) if moment.tzinfo else moment
    except (ValueError, OverflowError):  # too large: year 1 or 9999 with an offset
        return None


def _alert(alert: Alert) -> tuple[Any, ...]:
    return (
        alert.event_id,
        alert.event_time,
        alert.device.guid,
        alert.face_model.guid,
        alert.mask_model.guid,
        alert.probability,
        alert.label,
        alert.camera,
        alert.location.longitude,
        alert.location.latitude,
        *_box(alert.face_box),
        alert.episode_id,
        alert.runtime,
        alert.boot_id,
        alert.sequence,
        alert.clock_quality,
        alert.episode_started_at,
        bool(alert.image.data),
    )


def _box(box: FaceBox | None) -> tuple[float | None, ...]:
    return (box.left, box.top, box.right, box.bottom) if box is not None else _NO_BOX


def _event(event: DeviceEvent) -> tuple[Any, ...]:
    return (
        event.event_id,
        event.event_time,
        event.device.guid,
        event.camera,
        event.happening.kind,
        event.boot_id,
        event.sequence,
        event.clock_quality,
        event.happening.model_dump_json(exclude={"kind"}),
    )


def _device(told: Alert | DeviceEvent) -> tuple[Any, ...]:
    device, location = told.device, told.location
    enrolled_on = enrolled_at(device.enrolled_on)
    said = device.enrolled_on if enrolled_on is None and device.enrolled_on else None
    return (
        device.guid,
        device.type,
        enrolled_on,
        said,
        location.latitude,
        location.longitude,
    )
