from datetime import UTC, datetime
from uuid import UUID

import pytest
from dispatcher import envelope
from maskwatch_proto import contract, event_contract
from maskwatch_proto.alert import Alert, Device, Label
from maskwatch_proto.device_event import (
    CameraChanged,
    CameraState,
    Compliance,
    DeviceEvent,
    EpisodeEnded,
    Happening,
    Heartbeat,
)
from maskwatch_runtime.outbox import event_rows, rows

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


@pytest.mark.parametrize(
    "happening",
    [
        Heartbeat(uptime_s=1),
        CameraChanged(state=CameraState.DOWN, since=_ALERT.event_time),
        EpisodeEnded(
            episode_id=_ALERT.event_id,
            started_at=_ALERT.event_time,
            duration_s=1,
            label=Label.MASK,
            violated=False,
        ),
        Compliance(
            window_start=_ALERT.event_time,
            window_s=900,
            observed_s=900,
            people=1,
            with_mask=1,
            without_mask=0,
            badly_worn=0,
            unsure=0,
        ),
    ],
    ids=lambda happening: happening.kind,
)
def test_device_event_goes_to_its_own_topic_by_the_same_key(happening: Happening) -> None:
    event = DeviceEvent(
        event_id=_ALERT.event_id,
        event_time=_ALERT.event_time,
        device=_ALERT.device,
        happening=happening,
    )

    message = envelope.message(event_rows.wire(event_rows.values(event)))

    assert (message.topic, message.key) == ("device-event-topic", b"door-7")
    assert event_contract.decode(message.value) == event
    headers = dict(message.headers)
    assert headers["ce_type"] == f"maskwatch.device_event.{happening.kind}".encode()
    assert headers["ce_id"] == b"01935b1e-7c00-7abc-8def-0123456789ab"
    assert headers["traceparent"] == b"00-01935b1e7c007abc8def0123456789ab-8def0123456789ab-01"


def test_alert_s_type_is_not_that_of_an_event() -> None:
    assert dict(envelope.message(_WIRE).headers)["ce_type"] == b"maskwatch.alert"
