"""What the edge was told: which alerts were tried, and which were acknowledged to the caller."""

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path


@dataclass(frozen=True)
class Event:
    """An alert of the load.

    Attributes:
        sequence: Its place among its device's.
        acknowledged_at: Seconds since the epoch; None: tried, and the writer never heard.
    """

    event_id: str
    device: str
    sequence: int
    acknowledged_at: float | None = None


@dataclass(frozen=True)
class History:
    """All that was tried, in order."""

    events: tuple[Event, ...]

    @property
    def acknowledged(self) -> tuple[Event, ...]:
        return tuple(event for event in self.events if event.acknowledged_at is not None)


class Journal:
    """A file of events, a line before each try and one after it; survives kill -9 of its writer."""

    def __init__(self, path: Path) -> None:
        self._path = path

    @property
    def path(self) -> Path:
        return self._path

    @property
    def size_bytes(self) -> int:
        return self._path.stat().st_size if self._path.exists() else 0

    def tried(self, events: Sequence[Event]) -> None:
        """Write down, before the outbox is asked, what it is asked to keep."""
        self._append(events)

    def acknowledged(self, events: Sequence[Event], *, now_s: float) -> None:
        """Write down that the outbox said so."""
        self._append([Event(e.event_id, e.device, e.sequence, now_s) for e in events])

    def read(self) -> History:
        """Return the history so far; a last line that a kill cut short was never said."""
        if not self._path.exists():
            return History(())
        whole = self._path.read_text(encoding="ascii").rpartition("\n")[0]
        told: dict[str, Event] = {}
        for line in whole.splitlines():
            event = Event(**json.loads(line))
            told[event.event_id] = event
        return History(tuple(told.values()))

    def _append(self, events: Sequence[Event]) -> None:
        lines = "".join(json.dumps(asdict(event)) + "\n" for event in events)
        with self._path.open("a", encoding="ascii") as file:
            file.write(lines)
