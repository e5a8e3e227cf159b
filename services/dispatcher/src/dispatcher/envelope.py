"""The message of an alert or a device event: topic, value, key and headers."""

from maskwatch_runtime.kafka import topics
from maskwatch_runtime.kafka.message import Headers, Message
from maskwatch_runtime.outbox.rows import ALERT, Wire

# CloudEvents 1.0, Kafka protocol binding, binary content mode.
_SPEC_VERSION = b"1.0"
_ALERT_TYPE = b"maskwatch.alert"
_EVENT_TYPE = b"maskwatch.device_event."
_CONTENT_TYPE = b"application/protobuf"


def message(wire: Wire) -> Message:
    """Return what is published; one device's messages share a key, hence a partition, in order."""
    guid = wire.device_guid.encode()
    if wire.kind == ALERT:
        return Message(topics.ALERT, guid, wire.value, _headers(wire, guid, _ALERT_TYPE))
    type_ = _EVENT_TYPE + wire.kind.encode()
    return Message(topics.DEVICE_EVENT, guid, wire.value, _headers(wire, guid, type_))


def _headers(wire: Wire, guid: bytes, type_: bytes) -> Headers:
    trace_id = wire.event_id.replace("-", "")
    # One trace per event, from the camera to the inbox: its id is the event's. W3C Trace Context.
    trace = f"00-{trace_id}-{trace_id[16:]}-01"
    return (
        ("ce_specversion", _SPEC_VERSION),
        ("ce_type", type_),
        ("ce_id", wire.event_id.encode()),
        ("ce_source", b"/devices/" + guid),
        ("ce_time", f"{wire.event_time.replace(' ', 'T')}Z".encode()),
        ("content-type", _CONTENT_TYPE),
        ("traceparent", trace.encode()),
    )
