"""Rows of the outbox and device events; a row holds the event as it travels."""

from typing import Any

from maskwatch_proto import contract, event_contract
from maskwatch_proto.device_event import DeviceEvent
from maskwatch_proto.invalid import InvalidMessage

from maskwatch_runtime.outbox.rows import Wire

COLUMNS = ("event_id", "kind", "device_id", "created_at", "payload")


def values(event: DeviceEvent) -> tuple[Any, ...]:
    """Return the row's values in the order of COLUMNS."""
    return (
        str(event.event_id),
        event.happening.kind,
        event.device.guid,
        contract.event_time_text(event.event_time),
        event_contract.encode(event),
    )


def wire(row: tuple[Any, ...]) -> Wire:
    """Return the message of a row with the values of COLUMNS; it was validated when appended.

    Raises:
        InvalidMessage: A column is of the wrong type, from a foreign program or a bad disk.
    """
    event_id, kind, device_guid, created_at, payload = row
    texts = (event_id, kind, device_guid, created_at)
    if not isinstance(payload, bytes) or not all(isinstance(text, str) for text in texts):
        raise InvalidMessage("row", "holds a value of the wrong type")
    return Wire(event_id, created_at, device_guid, payload, kind)
