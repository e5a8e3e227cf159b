"""One mail to one recipient, as a row of the ledger: to be, claimed, and changed."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import NamedTuple, TypeAlias

from notifier.retries import State

Key: TypeAlias = int  # the row's number
CameraKey: TypeAlias = tuple[str, str]  # device id, camera's name


class Kind(StrEnum):
    """What a mail can be about; the words stand in logs."""

    ALERT = "alert"
    DEVICE_EVENT = "device_event"


class Subject(NamedTuple):
    """What a mail is about: a row of the archive."""

    kind: Kind
    id: int


@dataclass(frozen=True, slots=True)
class NewDelivery:
    """A row to be: PENDING or SUPPRESSED. `due_at` None: it may leave at once."""

    subject: Subject
    recipient: str
    state: State
    camera: CameraKey
    event_time: datetime
    message_id: str
    further: int = 0
    further_since: datetime | None = None
    due_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Delivery:
    """A claimed row; `due_at` is the earliest moment at which it could have been sent.

    `waited_s` has passed since then by the database's clock, when the row was claimed.
    """

    key: Key
    subject: Subject
    recipient: str
    message_id: str
    further: int
    further_since: datetime | None
    attempts: int
    unknowns: int
    deadline: datetime
    due_at: datetime
    waited_s: float = 0.0

    @property
    def is_past_deadline(self) -> bool:
        # By the database's clock alone: this machine's may be wrong by any amount.
        return self.due_at + timedelta(seconds=self.waited_s) >= self.deadline


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
