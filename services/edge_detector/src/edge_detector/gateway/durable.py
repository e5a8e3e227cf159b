"""The spool's store, telling whoever asked as soon as an event is durable."""

from collections.abc import Callable, Sequence
from pathlib import Path

from maskwatch_proto.alert import Alert
from maskwatch_proto.device_event import DeviceEvent

from edge_detector.spool import Store


class TellingStore(Store):
    """A store that tells; in the spool's thread.

    Args:
        path: The outbox.
        told: Called with each event after its commit; may neither raise nor wait.
    """

    def __init__(self, path: Path, *told: Callable[[Alert | DeviceEvent], None]) -> None:
        super().__init__(path)
        self._told = told

    def append_all(self, events: Sequence[Alert | DeviceEvent]) -> None:
        super().append_all(events)
        for event in events:
            for tell in self._told:
                tell(event)
