from datetime import UTC, datetime
from uuid import UUID

from ingress import requests
from ingress.requests import Request
from maskwatch_proto import notification

_REQUEST = Request(
    id=7,
    number=0x0102,
    event_id=UUID("01890a5d-ac96-774b-bcce-b302099a8057"),
    event_time=datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC),
    device_id="Tür-1",
)


def test_value_is_the_alert_number_that_the_original_notifier_reads() -> None:
    assert requests.message(_REQUEST, requests.ALERTS).value == bytes.fromhex(
        "02 01 00 00 00 00 00 00"
    )


def test_requests_of_one_device_share_a_key() -> None:
    message = requests.message(_REQUEST, requests.ALERTS)

    assert (message.topic, message.key) == ("to-notify-topic", "Tür-1".encode())


def test_headers_are_a_cloud_event_in_the_alert_s_trace() -> None:
    headers = dict(requests.message(_REQUEST, requests.ALERTS).headers)

    assert headers == {
        "ce_specversion": b"1.0",
        "ce_type": b"maskwatch.alert.archived",
        "ce_id": b"01890a5d-ac96-774b-bcce-b302099a8057",
        "ce_source": "/devices/Tür-1".encode(),
        "ce_time": b"2026-01-02T03:04:05+00:00",
        "traceparent": b"00-01890a5dac96774bbcceb302099a8057-bcceb302099a8057-01",
    }


def test_events_are_asked_for_on_a_topic_that_no_original_reads() -> None:
    message = requests.message(_REQUEST, requests.DEVICE_EVENTS)

    assert (message.topic, message.key) == ("notify-event-topic", "Tür-1".encode())
    assert notification.decode(message.value) == 0x0102
    headers = dict(message.headers)
    assert headers["ce_type"] == b"maskwatch.device_event.archived"
    assert headers["ce_id"] == b"01890a5d-ac96-774b-bcce-b302099a8057"
