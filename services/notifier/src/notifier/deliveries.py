"""One mail to one recipient, as a row of the ledger: to be, claimed, and changed."""

from dataclasses import dataclass
from datetime import datetime
from typing import TypeAlias

from notifier.retries import State

Key: TypeAlias = tuple[int, str]  # alert id, recipient's address
CameraKey: TypeAlias = tuple[str, str]  # device id, camera's name


@dataclass(frozen=True, slots=True)
class NewDelivery:
    """A row to be: PENDING or SUPPRESSED."""

    alert_id: int
    recipient: str
    state: State
    camera: CameraKey
    event_time: datetime
    message_id: str
    further: int
    further_since: datetime | None


@dataclass(frozen=True, slots=True)
class Delivery:
    """A claimed row."""

    alert_id: int
    recipient: str
    message_id: str
    further: int
    further_since: datetime | None
    attempts: int
    unknowns: int
    deadline: datetime
    created_at: datetime

    @property
    def key(self) -> Key:
        return self.alert_id, self.recipient


@dataclass(frozen=True, slots=True)
class Change:
    """A claimed row's new state.

    Attributes:
        delay_s: Seconds until it may be taken up again; None when the state is final.
        attempts, unknowns: Added to the row's counts.
    """

    key: Key
    state: State
    delay_s: float | None
    reason: str = ""
    attempts: int = 0
    unknowns: int = 0
