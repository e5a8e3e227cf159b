"""What holds for any bytes that come from a topic: anything but success or InvalidMessage fails."""

from collections.abc import Callable, Mapping

from maskwatch_proto import contract, event_contract, notification
from maskwatch_proto.invalid import InvalidMessage

NUMBER_BYTES = 8


def check_alert(payload: bytes) -> None:
    """The bytes are invalid, or an alert that is the same after being encoded."""
    try:
        alert = contract.decode(payload)
    except InvalidMessage as error:
        _check_reason(error)
        return
    encoded = contract.encode(alert)
    assert contract.decode(encoded) == alert
    assert contract.encode(contract.decode(encoded)) == encoded


def check_device_event(payload: bytes) -> None:
    """The bytes are invalid, or a device event that is the same after being encoded."""
    try:
        event = event_contract.decode(payload)
    except InvalidMessage as error:
        _check_reason(error)
        return
    encoded = event_contract.encode(event)
    assert event_contract.decode(encoded) == event
    assert event_contract.encode(event_contract.decode(encoded)) == encoded


def check_notification(payload: bytes) -> None:
    """The bytes are too few, or begin with the number that they say."""
    try:
        number = notification.decode(payload)
    except InvalidMessage as error:
        _check_reason(error)
        assert len(payload) < NUMBER_BYTES
        return
    assert notification.encode(number) == payload[:NUMBER_BYTES]


CHECKS: Mapping[str, Callable[[bytes], None]] = {
    "alert": check_alert,
    "device_event": check_device_event,
    "notification": check_notification,
}


def _check_reason(error: InvalidMessage) -> None:
    """An operator reads it in a log line and in a header of the dead letter."""
    assert error.field
    assert error.reason
    assert str(error).isprintable()
