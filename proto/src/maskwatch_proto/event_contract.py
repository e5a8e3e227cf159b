"""Device event to bytes and back: the one place where such a message is validated.

Wire format: device_event.proto.
"""

from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any

from google.protobuf.message import DecodeError
from pydantic import ValidationError

from maskwatch_proto import alert_pb2, contract, device_event_pb2
from maskwatch_proto.contract import SIZE_BYTES_MAX
from maskwatch_proto.device_event import (
    CameraChanged,
    CameraState,
    Compliance,
    DeviceEvent,
    EpisodeEnded,
    Heartbeat,
)
from maskwatch_proto.invalid import InvalidMessage, first_problem

SCHEMA_VERSION = 1

_LABELS = {number: label for label, number in contract.LABEL_NUMBERS.items()}
_CLOCKS = {number: clock for clock, number in contract.CLOCK_NUMBERS.items()}
_STATES: dict[device_event_pb2.CameraState, CameraState | None] = {
    device_event_pb2.CAMERA_STATE_UNSPECIFIED: None,
    device_event_pb2.CAMERA_STATE_DOWN: CameraState.DOWN,
    device_event_pb2.CAMERA_STATE_UP: CameraState.UP,
}
_STATE_NUMBERS = {state: number for number, state in _STATES.items()}


def encode(event: DeviceEvent) -> bytes:
    """Return the event as the bytes that travel on `device-event-topic`."""
    device, location = event.device, event.location
    message = device_event_pb2.DeviceEvent(
        event_id=str(event.event_id),
        event_time=contract.event_time_text(event.event_time),
        device=alert_pb2.Device(type=device.type, guid=device.guid, enrolled_on=device.enrolled_on),
        location=alert_pb2.Location(longitude=location.longitude, latitude=location.latitude),
        camera=event.camera,
        boot_id=event.boot_id,
        sequence=event.sequence,
        clock_quality=contract.CLOCK_NUMBERS[event.clock_quality],
        schema_version=SCHEMA_VERSION,
    )
    match event.happening:
        case EpisodeEnded() as ended:
            message.episode_ended.CopyFrom(_episode_message(ended))
        case Compliance() as compliance:
            message.compliance.CopyFrom(_compliance_message(compliance))
        case CameraChanged() as changed:
            message.camera_changed.CopyFrom(_camera_message(changed))
        case Heartbeat() as heartbeat:
            message.heartbeat.CopyFrom(_heartbeat_message(heartbeat))
    return message.SerializeToString()


def decode(payload: bytes) -> DeviceEvent:
    """Return the event that the bytes hold.

    Raises:
        InvalidMessage: The bytes are no event, were cut short, or no reader of this version may
            archive them.
    """
    if not payload:
        raise InvalidMessage("message", "is empty")
    if len(payload) > SIZE_BYTES_MAX:
        raise InvalidMessage("message", f"has {len(payload)} bytes, at most {SIZE_BYTES_MAX} fit")
    message = device_event_pb2.DeviceEvent()
    try:
        message.ParseFromString(payload)
    except DecodeError as error:
        raise InvalidMessage("message", "is no protobuf message of type DeviceEvent") from error
    if message.schema_version > SCHEMA_VERSION:
        raise InvalidMessage(
            "schema_version",
            f"is {message.schema_version}, this reader knows up to {SCHEMA_VERSION}: upgrade it",
        )
    if not message.schema_version:
        raise InvalidMessage("schema_version", "is missing: the message was cut short")
    values = _values(message)
    try:
        return DeviceEvent.model_validate(values)
    except ValidationError as error:
        path, reason = first_problem(error)
        # A happening is a field of its own on the wire: "heartbeat.uptime_s".
        raise InvalidMessage(".".join(path).removeprefix("happening."), reason) from error


def _episode_message(ended: EpisodeEnded) -> device_event_pb2.EpisodeEnded:
    return device_event_pb2.EpisodeEnded(
        episode_id=str(ended.episode_id),
        started_at=contract.event_time_text(ended.started_at),
        duration_s=ended.duration_s,
        label=contract.LABEL_NUMBERS[ended.label],
        violated=ended.violated,
        mask_put_on_after_s=ended.mask_put_on_after_s,
    )


def _compliance_message(compliance: Compliance) -> device_event_pb2.Compliance:
    return device_event_pb2.Compliance(
        window_start=contract.event_time_text(compliance.window_start),
        window_s=compliance.window_s,
        observed_s=compliance.observed_s,
        people=compliance.people,
        with_mask=compliance.with_mask,
        without_mask=compliance.without_mask,
        badly_worn=compliance.badly_worn,
        unsure=compliance.unsure,
    )


def _camera_message(changed: CameraChanged) -> device_event_pb2.CameraChanged:
    return device_event_pb2.CameraChanged(
        state=_STATE_NUMBERS[changed.state],
        reason=changed.reason,
        since=contract.event_time_text(changed.since),
        down_s=changed.down_s,
    )


def _heartbeat_message(heartbeat: Heartbeat) -> device_event_pb2.Heartbeat:
    return device_event_pb2.Heartbeat(
        version=heartbeat.version,
        models=heartbeat.models,
        runtime=heartbeat.runtime,
        uptime_s=heartbeat.uptime_s,
        temperature_c=heartbeat.temperature_c,
        is_throttled=heartbeat.is_throttled,
        disk_free_bytes=heartbeat.disk_free_bytes,
        waiting=heartbeat.waiting,
        oldest_waiting_s=heartbeat.oldest_waiting_s,
        cameras=[
            device_event_pb2.CameraPulse(name=pulse.name, is_up=pulse.is_up, fps=pulse.fps)
            for pulse in heartbeat.cameras
        ],
        problems=heartbeat.problems,
    )


def _values(message: device_event_pb2.DeviceEvent) -> dict[str, Any]:
    device, location = message.device, message.location
    return {
        "event_id": message.event_id,
        "event_time": _moment(message.event_time, "event_time"),
        "device": {"type": device.type, "guid": device.guid, "enrolled_on": device.enrolled_on},
        "location": {"longitude": location.longitude, "latitude": location.latitude},
        "camera": message.camera,
        "boot_id": message.boot_id,
        "sequence": message.sequence,
        "clock_quality": _known(_CLOCKS, message.clock_quality, "clock_quality"),
        "happening": _happening(message),
    }


def _happening(message: device_event_pb2.DeviceEvent) -> dict[str, Any]:
    kind = message.WhichOneof("happening")
    if kind is None:
        raise InvalidMessage("happening", "is missing or of a kind that this reader does not know")
    return {"kind": kind, **_HAPPENINGS[kind](getattr(message, kind))}


def _episode(ended: device_event_pb2.EpisodeEnded) -> dict[str, Any]:
    has_mask = ended.HasField("mask_put_on_after_s")
    return {
        "episode_id": ended.episode_id,
        "started_at": _moment(ended.started_at, "episode_ended.started_at"),
        "duration_s": ended.duration_s,
        "label": _said(_LABELS, ended.label, "episode_ended.label"),
        "violated": ended.violated,
        "mask_put_on_after_s": ended.mask_put_on_after_s if has_mask else None,
    }


def _compliance(compliance: device_event_pb2.Compliance) -> dict[str, Any]:
    return {
        "window_start": _moment(compliance.window_start, "compliance.window_start"),
        "window_s": compliance.window_s,
        "observed_s": compliance.observed_s,
        "people": compliance.people,
        "with_mask": compliance.with_mask,
        "without_mask": compliance.without_mask,
        "badly_worn": compliance.badly_worn,
        "unsure": compliance.unsure,
    }


def _camera(changed: device_event_pb2.CameraChanged) -> dict[str, Any]:
    return {
        "state": _said(_STATES, changed.state, "camera_changed.state"),
        "reason": changed.reason,
        "since": _moment(changed.since, "camera_changed.since"),
        "down_s": changed.down_s,
    }


def _heartbeat(heartbeat: device_event_pb2.Heartbeat) -> dict[str, Any]:
    has_temperature = heartbeat.HasField("temperature_c")
    has_disk = heartbeat.HasField("disk_free_bytes")
    return {
        "version": heartbeat.version,
        "models": tuple(heartbeat.models),
        "runtime": heartbeat.runtime,
        "uptime_s": heartbeat.uptime_s,
        "temperature_c": heartbeat.temperature_c if has_temperature else None,
        "is_throttled": heartbeat.is_throttled,
        "disk_free_bytes": heartbeat.disk_free_bytes if has_disk else None,
        "waiting": heartbeat.waiting,
        "oldest_waiting_s": heartbeat.oldest_waiting_s,
        "cameras": tuple(
            {"name": pulse.name, "is_up": pulse.is_up, "fps": pulse.fps}
            for pulse in heartbeat.cameras
        ),
        "problems": tuple(heartbeat.problems),
    }


_HAPPENINGS: dict[str, Callable[[Any], dict[str, Any]]] = {
    "episode_ended": _episode,
    "compliance": _compliance,
    "camera_changed": _camera,
    "heartbeat": _heartbeat,
}


def _moment(text: str, field: str) -> datetime:
    try:
        return contract.event_time(text)
    except InvalidMessage as error:
        raise InvalidMessage(field, error.reason) from error


def _known(names: Mapping[Any, Any], number: int, field: str) -> Any:
    try:
        return names[number]
    except KeyError:
        raise InvalidMessage(field, f"is {number}, which this reader does not know") from None


def _said(names: Mapping[Any, Any], number: int, field: str) -> Any:
    value = _known(names, number, field)
    if value is None:
        raise InvalidMessage(field, "is missing")
    return value
