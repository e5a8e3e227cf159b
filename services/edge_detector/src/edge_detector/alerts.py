"""From a violation to the alert that travels."""

import secrets
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from uuid import UUID, uuid5

from maskwatch_proto.alert import Alert, ClockQuality, Device, FaceBox, Image, Location, Model

from edge_detector.evidence import FORMAT, Evidence
from edge_detector.people.policy import Violation

# Before this software was written: the clock of a device without a battery begins in 1970.
_EARLIEST = datetime(2024, 1, 1, tzinfo=UTC)
_TIMESYNC = Path("/run/systemd/timesync")


@dataclass(frozen=True, slots=True)
class Identity:
    """Who speaks: the same in every alert of one start.

    `boot_id` is new at every start; `runtime` names what runs the models. `model` finds faces and
    judges the mask; `classifier`, where there is one, judges it with a second look.
    """

    device: Device
    location: Location
    camera: str
    model: Model
    runtime: str
    boot_id: UUID
    classifier: Model | None = None


class Composer:
    """Makes alerts; numbers them from 1."""

    def __init__(
        self, identity: Identity, *, quality_at: Callable[[datetime], ClockQuality]
    ) -> None:
        self._identity = identity
        self._quality_at = quality_at
        self._sequence = 0

    def compose(
        self, violation: Violation, evidence: Evidence, *, track: int, at: datetime
    ) -> Alert:
        """Return the alert for a violation at a moment by the person of a track."""
        identity = self._identity
        self._sequence += 1
        left, top, right, bottom = (float(value) for value in evidence.face_px)
        return Alert(
            event_id=uuid7(at, secrets.randbits(74)),
            event_time=at,
            device=identity.device,
            location=identity.location,
            face_model=identity.model,
            mask_model=self._judge_of(violation),
            probability=min(1.0, violation.probability),
            image=Image(
                format=FORMAT,
                width=evidence.width_px,
                height=evidence.height_px,
                data=evidence.data,
            ),
            label=violation.label,
            face_box=FaceBox(left=left, top=top, right=right, bottom=bottom),
            episode_id=uuid5(identity.boot_id, str(track)),
            camera=identity.camera,
            runtime=identity.runtime,
            boot_id=str(identity.boot_id),
            sequence=self._sequence,
            clock_quality=self._quality_at(at),
        )

    def _judge_of(self, violation: Violation) -> Model:
        classifier = self._identity.classifier
        return classifier if violation.is_classified and classifier else self._identity.model


def uuid7(at: datetime, random_bits: int) -> UUID:
    """Return the UUID version 7 of a moment.

    Args:
        at: Not before 1970.
        random_bits: 74 of them.

    Source: RFC 9562, section 5.7.
    """
    milliseconds = max(0, int(at.timestamp() * 1000)) & (1 << 48) - 1
    high, low = random_bits >> 62 & (1 << 12) - 1, random_bits & (1 << 62) - 1
    return UUID(int=milliseconds << 80 | 0x7 << 76 | high << 64 | 0b10 << 62 | low)


def clock_quality(now: datetime, *, timesync: Path = _TIMESYNC) -> ClockQuality:
    """Return whether the system clock can be believed.

    It is uncertain before 2024, and where systemd keeps the time and has not yet set it since the
    boot. Without systemd there is nothing cheap to ask.

    Args:
        now: What the clock says.
        timesync: Folder of systemd-timesyncd's state.
    """
    is_unset = timesync.is_dir() and not (timesync / "synchronized").exists()
    if now < _EARLIEST or is_unset:
        return ClockQuality.UNCERTAIN
    return ClockQuality.SYNCHRONISED
