"""The message of an alert: value, key and headers."""

from maskwatch_proto import contract
from maskwatch_proto.alert import Alert
from maskwatch_runtime.kafka import topics
from maskwatch_runtime.kafka.message import Headers, Message

# CloudEvents 1.0, Kafka protocol binding, binary content mode.
_SPEC_VERSION = b"1.0"
_TYPE = b"maskwatch.alert"
_CONTENT_TYPE = b"application/protobuf"


def message(alert: Alert) -> Message:
    """Return what is published; one device's alerts share a key, hence a partition, in order."""
    guid = alert.device.guid.encode()
    return Message(topics.ALERT, guid, contract.encode(alert), _headers(alert, guid))


def _headers(alert: Alert, guid: bytes) -> Headers:
    event_id = alert.event_id
    # One trace per alert, from the camera to the inbox: its id is the event's. W3C Trace Context.
    trace = f"00-{event_id.hex}-{event_id.hex[16:]}-01"
    return (
        ("ce_specversion", _SPEC_VERSION),
        ("ce_type", _TYPE),
        ("ce_id", str(event_id).encode()),
        ("ce_source", b"/devices/" + guid),
        ("ce_time", alert.event_time.isoformat().encode()),
        ("content-type", _CONTENT_TYPE),
        ("traceparent", trace.encode()),
    )
