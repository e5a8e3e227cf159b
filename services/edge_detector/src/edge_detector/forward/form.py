"""The JSON form of an event for programs that are not ours; `event.schema.json` describes it."""

import base64
import json
from typing import Any

from maskwatch_proto.alert import Alert, Image
from maskwatch_proto.device_event import DeviceEvent

SCHEMA = "maskwatch.event.v1"

_SHARED = {
    "event_id",
    "event_time",
    "device",
    "location",
    "camera",
    "boot_id",
    "sequence",
    "clock_quality",
}


def kind(event: Alert | DeviceEvent) -> str:
    """Return the word that tells events apart: `alert`, or a device event's kind."""
    return "alert" if isinstance(event, Alert) else event.happening.kind


def encode(event: Alert | DeviceEvent, *, with_picture: bool) -> bytes:
    """Return the event as JSON in UTF-8.

    Args:
        event: Any.
        with_picture: An alert's picture goes along in base64; AWS IoT takes messages of 128 KB.
    """
    told: dict[str, Any] = {"schema": SCHEMA, "type": kind(event)}
    told |= event.model_dump(mode="json", include=_SHARED)
    if isinstance(event, Alert):
        told["detail"] = event.model_dump(mode="json", exclude={*_SHARED, "image"})
        told["detail"]["image"] = _image(event.image, with_picture=with_picture)
    else:
        told["detail"] = event.happening.model_dump(mode="json", exclude={"kind"})
    return json.dumps(told, ensure_ascii=False, separators=(",", ":")).encode()


def _image(image: Image, *, with_picture: bool) -> dict[str, Any] | None:
    if not image.data:
        return None
    told: dict[str, Any] = image.model_dump(mode="json", exclude={"data"})
    if with_picture:
        told["base64"] = base64.b64encode(image.data).decode()
    return told
