"""Rows of the outbox and alerts, one into the other."""

from typing import Any, NamedTuple
from uuid import UUID, uuid5

from maskwatch_proto import alert_pb2, contract
from maskwatch_proto.alert import Alert
from maskwatch_proto.contract import InvalidAlert

from maskwatch_runtime.outbox.schema import ORIGINAL_COLUMNS, OWN_COLUMNS

_EVENTS_OF_ROWS = UUID("8f3b4c61-7b8e-5d0a-a2d7-2f3c3d1c9b10")  # name space for rows without an id
ALERT_COLUMNS = (*ORIGINAL_COLUMNS, *(name for name in OWN_COLUMNS if name != "refused_reason"))


def values(alert: Alert) -> tuple[Any, ...]:
    """Return the row's values in the order of ALERT_COLUMNS."""
    box = alert.face_box
    return (
        contract.event_time_text(alert.event_time),
        alert.device.type,
        alert.device.guid,
        alert.device.enrolled_on,
        alert.location.longitude,
        alert.location.latitude,
        alert.face_model.name,
        alert.face_model.guid,
        alert.face_model.threshold,
        alert.mask_model.name,
        alert.mask_model.guid,
        alert.mask_model.threshold,
        alert.probability,
        alert.image.format,
        alert.image.width,
        alert.image.height,
        alert.image.data,
        str(alert.event_id),
        alert.label,
        box and box.left,
        box and box.top,
        box and box.right,
        box and box.bottom,
        str(alert.episode_id) if alert.episode_id else None,
        alert.camera,
        alert.runtime,
        alert.boot_id,
        alert.sequence,
        alert.clock_quality,
        _started_at(alert),
    )


def _started_at(alert: Alert) -> str | None:
    moment = alert.episode_started_at
    return None if moment is None else contract.event_time_text(moment)


ALERT = "alert"


class Wire(NamedTuple):
    """A row ready to be published: its bytes, and what the envelope repeats of them.

    `kind` is that of a device event, or ALERT.
    """

    event_id: str
    event_time: str
    device_guid: str
    value: bytes
    kind: str = ALERT


def wire(row: tuple[Any, ...]) -> Wire:
    """Return the message of a row with the values of ALERT_COLUMNS.

    A row of our own was validated when it was appended, and is encoded straight from its columns:
    that takes a third of the time, which is most of the dispatcher's. A foreign one is validated.

    Raises:
        InvalidAlert: The row holds what no reader would archive; says which column.
    """
    column = dict(zip(ALERT_COLUMNS, row, strict=True))
    if column["event_id"] is None:
        foreign = alert(row)
        return Wire(
            str(foreign.event_id),
            column["created_at"],
            foreign.device.guid,
            contract.encode(foreign),
        )
    try:
        return Wire(
            column["event_id"],
            column["created_at"],
            column["device_id"],
            _message(column).SerializeToString(),
        )
    except (TypeError, ValueError, KeyError) as error:
        raise InvalidAlert("row", f"holds a value of the wrong type: {error}") from error


def _message(column: dict[str, Any]) -> alert_pb2.Alert:
    message = alert_pb2.Alert(
        event_time=column["created_at"],
        created_by=alert_pb2.Device(
            type=column["device_type"],
            guid=column["device_id"],
            enrolled_on=column["device_deployed_on"],
        ),
        location=alert_pb2.Location(longitude=column["longitude"], latitude=column["latitude"]),
        face_detection_model=alert_pb2.Model(**_model(column, "face")),
        mask_classifier_model=alert_pb2.Model(**_model(column, "mask")),
        probability=column["probability"],
        image=alert_pb2.Image(
            format=column["image_format"],
            size=alert_pb2.Size(width=column["image_width"], height=column["image_height"]),
            data=column["image_data"],
        ),
        event_id=column["event_id"],
        label=contract.LABEL_NUMBERS[column["label"]],
        episode_id=column["episode_id"],
        camera=column["camera"],
        runtime=column["runtime"],
        boot_id=column["boot_id"],
        sequence=column["sequence"],
        clock_quality=contract.CLOCK_NUMBERS[column["clock_quality"]],
        schema_version=contract.SCHEMA_VERSION,
        episode_started_at=column["episode_started_at"],
    )
    if column["face_left"] is not None:
        message.face_box.left = column["face_left"]
        message.face_box.top = column["face_top"]
        message.face_box.right = column["face_right"]
        message.face_box.bottom = column["face_bottom"]
    return message


def alert(row: tuple[Any, ...]) -> Alert:
    """Return the alert of a row with the values of ALERT_COLUMNS.

    A row that the original detector wrote gets an event id made of its content, so that it has the
    same one however often it is read.

    Raises:
        InvalidAlert: The row holds what no reader would archive; says which column.
    """
    column = dict(zip(ALERT_COLUMNS, row, strict=True))
    started_at = column["episode_started_at"]
    return contract.validated(
        {
            "event_id": column["event_id"] or _derived_event_id(column),
            "event_time": contract.event_time(str(column["created_at"])),
            "device": {
                "type": column["device_type"],
                "guid": column["device_id"],
                "enrolled_on": column["device_deployed_on"],
            },
            "location": {"longitude": column["longitude"], "latitude": column["latitude"]},
            "face_model": _model(column, "face"),
            "mask_model": _model(column, "mask"),
            "probability": column["probability"],
            "image": {
                "format": column["image_format"],
                "width": column["image_width"],
                "height": column["image_height"],
                "data": column["image_data"] or b"",
            },
            "label": column["label"],
            "face_box": _face_box(column),
            "episode_id": column["episode_id"],
            "camera": column["camera"] or "",
            "runtime": column["runtime"] or "",
            "boot_id": column["boot_id"] or "",
            "sequence": column["sequence"] or 0,
            "clock_quality": column["clock_quality"],
            "episode_started_at": started_at and contract.event_time(str(started_at)),
        }
    )


def _model(column: dict[str, Any], kind: str) -> dict[str, Any]:
    return {
        "name": column[f"{kind}_model_name"],
        "guid": column[f"{kind}_model_guid"],
        "threshold": column[f"{kind}_model_threshold"],
    }


def _face_box(column: dict[str, Any]) -> dict[str, float] | None:
    if column["face_left"] is None:
        return None
    return {side: column[f"face_{side}"] for side in ("left", "top", "right", "bottom")}


def _derived_event_id(column: dict[str, Any]) -> UUID:
    # The picture stays out: it may be evicted between two readings of the row.
    told = [str(column[name]) for name in ORIGINAL_COLUMNS if name != "image_data"]
    return uuid5(_EVENTS_OF_ROWS, "\x1f".join(told))
