"""Alerts in the form that Debezium's sink reads: flat, with Connect's schema, as JSON.

Two forms. The usual one carries its schema in each message, which makes an alert without a picture
some five times as long. With the other one the converter takes the schema from its configuration,
which Apache Kafka's can since 4.2 (KIP-1054); Debezium 3.4 was released with 4.1. Bytes are base64.
"""

import base64
import json
from datetime import UTC, datetime, timedelta
from typing import Any

from maskwatch_proto.alert import Alert

_UUID = ("string", "io.debezium.data.Uuid")
_MICROSECONDS = ("int64", "io.debezium.time.MicroTimestamp")
_COLUMNS: dict[str, tuple[str, str | None]] = {
    "event_id": _UUID,
    "event_time": _MICROSECONDS,
    "device_id": ("string", None),
    "face_model_id": ("string", None),
    "mask_model_id": ("string", None),
    "probability": ("float", None),
    "label": ("string", None),
    "camera": ("string", None),
    "longitude": ("float", None),
    "latitude": ("float", None),
    "face_left": ("float", None),
    "face_top": ("float", None),
    "face_right": ("float", None),
    "face_bottom": ("float", None),
    "episode_id": _UUID,
    "runtime": ("string", None),
    "boot_id": ("string", None),
    "sequence": ("int64", None),
    "clock_quality": ("string", None),
    "episode_started_at": _MICROSECONDS,
    "format": ("string", None),
    "width": ("int32", None),
    "height": ("int32", None),
    "data": ("bytes", None),
}
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def schema(*, has_picture: bool) -> str:
    """Return the schema as JSON; without a picture its columns are left out."""
    fields = [
        {"field": field, "type": kind, "optional": field != "event_id"}
        | ({"name": name} if name else {})
        for field, (kind, name) in _COLUMNS.items()
        if has_picture or field not in {"format", "width", "height", "data"}
    ]
    return json.dumps({"type": "struct", "fields": fields}, separators=(",", ":"))


def with_schema(values: bytes, schema_text: str) -> bytes:
    """Return encoded values in the form that carries its schema."""
    return b'{"schema":%b,"payload":%b}' % (schema_text.encode(), values)


def encode(alert: Alert) -> bytes:
    """Return what the archive keeps of an alert as one flat JSON object, without its schema."""
    box, image, started_at = alert.face_box, alert.image, alert.episode_started_at
    assert box is not None
    assert started_at is not None
    values: dict[str, Any] = {
        "event_id": str(alert.event_id),
        "event_time": _microseconds(alert.event_time),
        "device_id": alert.device.guid,
        "face_model_id": alert.face_model.guid,
        "mask_model_id": alert.mask_model.guid,
        "probability": alert.probability,
        "label": alert.label,
        "camera": alert.camera,
        "longitude": alert.location.longitude,
        "latitude": alert.location.latitude,
        "face_left": box.left,
        "face_top": box.top,
        "face_right": box.right,
        "face_bottom": box.bottom,
        "episode_id": str(alert.episode_id),
        "runtime": alert.runtime,
        "boot_id": alert.boot_id,
        "sequence": alert.sequence,
        "clock_quality": alert.clock_quality,
        "episode_started_at": _microseconds(started_at),
    }
    if image.data:
        values |= {"format": image.format, "width": image.width, "height": image.height}
        values["data"] = base64.b64encode(image.data).decode("ascii")
    return json.dumps(values, separators=(",", ":")).encode()


def _microseconds(moment: datetime) -> int:
    return (moment - _EPOCH) // timedelta(microseconds=1)
