from datetime import UTC, datetime
from uuid import UUID

from dispatcher import envelope
from maskwatch_proto import contract
from maskwatch_proto.alert import Alert, Device, Label
from maskwatch_runtime.outbox import rows

_ALERT = Alert(
    event_id=UUID("01935b1e-7c00-7abc-8def-0123456789ab"),
    event_time=datetime(2026, 3, 1, 12, 30, tzinfo=UTC),
    device=Device(guid="door-7"),
    probability=0.5,
    label=Label.NO_MASK,
)


_WIRE = rows.wire(rows.values(_ALERT))


def test_key_is_the_device_so_that_its_alerts_keep_their_order() -> None:
    assert envelope.message(_WIRE).key == b"door-7"


def test_value_is_the_contracts_and_the_topic_the_originals() -> None:
    message = envelope.message(_WIRE)

    assert message.topic == "alert-topic"
    assert contract.decode(message.value) == _ALERT


def test_headers_are_cloudevents_in_binary_mode_with_a_trace_of_the_event() -> None:
    headers = dict(envelope.message(_WIRE).headers)

    assert headers["ce_specversion"] == b"1.0"
    assert headers["ce_id"] == b"01935b1e-7c00-7abc-8def-0123456789ab"
    assert headers["ce_source"] == b"/devices/door-7"
    assert headers["ce_time"] == b"2026-03-01T12:30:00.000000Z"
    assert headers["traceparent"] == b"00-01935b1e7c007abc8def0123456789ab-8def0123456789ab-01"
