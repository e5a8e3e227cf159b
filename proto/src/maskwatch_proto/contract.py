"""Alert to bytes and back: the one place where a message is validated.

Wire format: alert.proto. A message made by the original programs is a valid Alert too; it lacks
the fields from 8 up, and gets an event id derived from its content, so that its redelivery is
recognised as well.
"""

import hashlib
from collections.abc import Mapping
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any
from uuid import UUID, uuid5

from google.protobuf.message import DecodeError
from pydantic import ValidationError

from maskwatch_proto import alert_pb2
from maskwatch_proto.alert import Alert, ClockQuality, Device, Image, Label, Location, Model
from maskwatch_proto.invalid import InvalidMessage, first_problem

SCHEMA_VERSION = 1
SIZE_BYTES_MAX = 4 * 1024 * 1024  # topics, producers and consumers are set to the same limit
EVENT_TIME_FORMAT = "%Y-%m-%d %H:%M:%S.%f"
_ORIGINAL_EVENTS = UUID("5b0f2b83-6f0e-5d3c-9d66-0d9b5e0f6a51")  # name space of derived event ids

_LABELS: dict[alert_pb2.Label, Label | None] = {
    alert_pb2.LABEL_UNSPECIFIED: None,
    alert_pb2.LABEL_MASK: Label.MASK,
    alert_pb2.LABEL_NO_MASK: Label.NO_MASK,
    alert_pb2.LABEL_BAD_MASK: Label.BAD_MASK,
    alert_pb2.LABEL_UNSURE: Label.UNSURE,
}
_CLOCKS: dict[alert_pb2.ClockQuality, ClockQuality | None] = {
    alert_pb2.CLOCK_QUALITY_UNSPECIFIED: None,
    alert_pb2.CLOCK_QUALITY_SYNCHRONISED: ClockQuality.SYNCHRONISED,
    alert_pb2.CLOCK_QUALITY_UNCERTAIN: ClockQuality.UNCERTAIN,
}
LABEL_NUMBERS = {label: number for number, label in _LABELS.items()}
CLOCK_NUMBERS = {clock: number for number, clock in _CLOCKS.items()}


class InvalidAlert(InvalidMessage):
    """A message that is no alert and will never be archived as one."""


def encode(alert: Alert) -> bytes:
    """Return the alert as the bytes that travel on `alert-topic`.

    Every submessage is present, empty if need be: the original programs crash on an absent one.
    """
    message = alert_pb2.Alert(
        event_time=event_time_text(alert.event_time),
        created_by=alert_pb2.Device(
            type=alert.device.type, guid=alert.device.guid, enrolled_on=alert.device.enrolled_on
        ),
        location=alert_pb2.Location(
            longitude=alert.location.longitude, latitude=alert.location.latitude
        ),
        face_detection_model=_model_message(alert.face_model),
        mask_classifier_model=_model_message(alert.mask_model),
        probability=alert.probability,
        image=_image_message(alert.image),
        event_id=str(alert.event_id),
        label=LABEL_NUMBERS[alert.label],
        camera=alert.camera,
        runtime=alert.runtime,
        boot_id=alert.boot_id,
        sequence=alert.sequence,
        clock_quality=CLOCK_NUMBERS[alert.clock_quality],
        schema_version=SCHEMA_VERSION,
    )
    if alert.episode_id is not None:
        message.episode_id = str(alert.episode_id)
    if alert.episode_started_at is not None:
        message.episode_started_at = event_time_text(alert.episode_started_at)
    if alert.face_box is not None:
        box = alert.face_box
        message.face_box.CopyFrom(
            alert_pb2.FaceBox(left=box.left, top=box.top, right=box.right, bottom=box.bottom)
        )
    return message.SerializeToString()


def decode(payload: bytes) -> Alert:
    """Return the alert that the bytes hold.

    Raises:
        InvalidAlert: The bytes are no alert, or one that no reader of this version may archive.
    """
    if not payload:
        raise InvalidAlert("message", "is empty")
    if len(payload) > SIZE_BYTES_MAX:
        raise InvalidAlert("message", f"has {len(payload)} bytes, at most {SIZE_BYTES_MAX} fit")
    message = alert_pb2.Alert()
    try:
        message.ParseFromString(payload)
    except DecodeError as error:
        raise InvalidAlert("message", "is no protobuf message of type Alert") from error
    if message.schema_version > SCHEMA_VERSION:
        raise InvalidAlert(
            "schema_version",
            f"is {message.schema_version}, this reader knows up to {SCHEMA_VERSION}: upgrade it",
        )
    return validated(_values(message, payload))


def validated(values: dict[str, Any]) -> Alert:
    """Return the alert with these values, nested as the models are.

    Raises:
        InvalidAlert: A value is missing or senseless.
    """
    try:
        return Alert.model_validate(values)
    except ValidationError as error:
        raise _invalid(error) from error


def event_time_text(moment: datetime) -> str:
    """Return a moment as the wire and the outbox write it: "YYYY-MM-DD HH:MM:SS.ffffff", UTC."""
    # Not strftime: glibc writes the year 1 as "1".
    return moment.astimezone(UTC).replace(tzinfo=None).isoformat(" ", "microseconds")


def event_time(text: str) -> datetime:
    """Return the moment that "YYYY-MM-DD HH:MM:SS.ffffff" in UTC says.

    Raises:
        InvalidAlert: The text is of another form.
    """
    # fromisoformat reads this form six times as fast as strptime, and others besides; combine makes
    # the zone known three times as fast as replace.
    try:
        moment = datetime.fromisoformat(text)
        if moment.tzinfo is None:
            return datetime.combine(moment, moment.time(), UTC)
        return moment.astimezone(UTC)
    except (ValueError, OverflowError) as error:  # too large: year 1 or 9999 with an offset
        raise InvalidAlert("event_time", 'is not "YYYY-MM-DD HH:MM:SS.ffffff"') from error


def _values(message: alert_pb2.Alert, payload: bytes) -> dict[str, Any]:
    created_by, location = message.created_by, message.location
    face_model, mask_model = message.face_detection_model, message.mask_classifier_model
    return {
        "event_id": _event_id(message, payload),
        "event_time": event_time(message.event_time),
        "device": _device(created_by.type, created_by.guid, created_by.enrolled_on),
        "location": _location(location.longitude, location.latitude),
        "face_model": _model("face_model", face_model.name, face_model.guid, face_model.threshold),
        "mask_model": _model("mask_model", mask_model.name, mask_model.guid, mask_model.threshold),
        "probability": message.probability,
        "image": _image(message.image),
        "label": _known(_LABELS, message.label, "label"),
        "face_box": _face_box(message),
        "episode_id": message.episode_id or None,
        "camera": message.camera,
        "runtime": message.runtime,
        "boot_id": message.boot_id,
        "sequence": message.sequence,
        "clock_quality": _known(_CLOCKS, message.clock_quality, "clock_quality"),
        "episode_started_at": _episode_started_at(message.episode_started_at),
    }


def _event_id(message: alert_pb2.Alert, payload: bytes) -> str | UUID:
    if message.event_id:
        return message.event_id
    # protobuf leaves the order of fields open, so the name is made of values, not of the payload.
    if message.schema_version == 0:
        canonical = message.SerializeToString(deterministic=True)
        return uuid5(_ORIGINAL_EVENTS, hashlib.sha256(canonical).hexdigest())
    raise InvalidAlert("event_id", f"is missing in a message of {len(payload)} bytes")


def _episode_started_at(text: str) -> datetime | None:
    try:
        return event_time(text) if text else None
    except InvalidAlert as error:
        raise InvalidAlert("episode_started_at", error.reason) from error


def _known(names: Mapping[Any, Any], number: int, field: str) -> Any:
    try:
        return names[number]
    except KeyError:
        raise InvalidAlert(field, f"is {number}, which this reader does not know") from None


def _image(image: alert_pb2.Image) -> Image | dict[str, Any]:
    data, size = image.data, image.size
    if not data:
        return _no_image(image.format, size.width, size.height)
    return {"format": image.format, "width": size.width, "height": size.height, "data": data}


def _face_box(message: alert_pb2.Alert) -> dict[str, float] | None:
    if not message.HasField("face_box"):
        return None
    box = message.face_box
    return {"left": box.left, "top": box.top, "right": box.right, "bottom": box.bottom}


# A device says the same of itself and its models in every alert: what was validated once is shared.
# What is invalid is not remembered.
@lru_cache(maxsize=4096)
def _device(type_: str, guid: str, enrolled_on: str) -> Device:
    try:
        return Device(type=type_, guid=guid, enrolled_on=enrolled_on)
    except ValidationError as error:
        raise _invalid(error, "device") from error


@lru_cache(maxsize=4096)
def _location(longitude: float, latitude: float) -> Location:
    try:
        return Location(longitude=longitude, latitude=latitude)
    except ValidationError as error:
        raise _invalid(error, "location") from error


@lru_cache(maxsize=256)
def _no_image(format_: str, width: int, height: int) -> Image:
    try:
        return Image(format=format_, width=width, height=height)
    except ValidationError as error:
        raise _invalid(error, "image") from error


@lru_cache(maxsize=256)
def _model(part: str, name: str, guid: str, threshold: float) -> Model:
    try:
        return Model(name=name, guid=guid, threshold=threshold)
    except ValidationError as error:
        raise _invalid(error, part) from error


def _model_message(model: Model) -> alert_pb2.Model:
    return alert_pb2.Model(name=model.name, guid=model.guid, threshold=model.threshold)


def _image_message(image: Image) -> alert_pb2.Image:
    return alert_pb2.Image(
        format=image.format,
        size=alert_pb2.Size(width=image.width, height=image.height),
        data=image.data,
    )


# Names that differ between the models and alert.proto.
_WIRE_NAMES = {
    "device": "created_by",
    "face_model": "face_detection_model",
    "mask_model": "mask_classifier_model",
}


def _invalid(error: ValidationError, *part: str) -> InvalidAlert:
    path, reason = first_problem(error)
    first, *rest = (*part, *path)
    return InvalidAlert(".".join((_WIRE_NAMES.get(first, first), *rest)), reason)
