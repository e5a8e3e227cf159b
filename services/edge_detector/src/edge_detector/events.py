"""Alerts and device events: everything that leaves the device, numbered in one sequence."""

import secrets
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from uuid import UUID, uuid4, uuid5

from maskwatch_proto.alert import Alert, ClockQuality, Device, FaceBox, Image, Location, Model
from maskwatch_proto.device_event import DeviceEvent, EpisodeEnded, Happening

from edge_detector.evidence import FORMAT, Evidence
from edge_detector.people.episodes import Episode
from edge_detector.people.policy import Violation


@dataclass(frozen=True, slots=True)
class Identity:
    """Who speaks: the same in every event of one start.

    `boot_id` is new at every start; `runtime` names what ran the models then. `model` finds faces
    and judges the mask; `classifier`, where there is one, judges it with a second look.
    """

    device: Device
    model: Model
    runtime: str
    boot_id: UUID
    classifier: Model | None = None


@dataclass(frozen=True, slots=True)
class Origin:
    """Which camera speaks; an empty name is the device itself."""

    camera: str = ""
    location: Location = field(default_factory=Location)


@dataclass(frozen=True, slots=True)
class Stay:
    """What an alert says of somebody's stay; `evidence` is None where no picture may be kept."""

    episode_id: UUID
    started_at: datetime
    violation: Violation
    evidence: Evidence | None


class Composer:
    """Makes alerts and device events, for any thread; `Numbering` gives them their numbers.

    Args:
        identity: Who speaks.
        quality_at: Whether a time that the clock has shown can be believed.
        runtime: What runs the models now; by default what the identity says.
    """

    def __init__(
        self,
        identity: Identity,
        *,
        quality_at: Callable[[datetime], ClockQuality],
        runtime: Callable[[], str] | None = None,
    ) -> None:
        self._identity = identity
        self._runtime = runtime or (lambda: identity.runtime)
        self._quality_at = quality_at

    def alert(self, stay: Stay, origin: Origin, *, at: datetime) -> Alert:
        """Return the alert that somebody's stay has become at a moment."""
        identity, violation = self._identity, stay.violation
        return Alert(
            event_id=uuid7(at, secrets.randbits(74)),
            event_time=at,
            device=identity.device,
            location=origin.location,
            face_model=identity.model,
            mask_model=self._judge_of(violation),
            probability=min(1.0, violation.probability),
            image=_image(stay.evidence),
            label=violation.label,
            face_box=_face_box(stay.evidence),
            episode_id=stay.episode_id,
            camera=origin.camera,
            runtime=self._runtime(),
            boot_id=str(identity.boot_id),
            clock_quality=self._quality_at(at),
            episode_started_at=stay.started_at,
        )

    def event(self, happening: Happening, origin: Origin, *, at: datetime) -> DeviceEvent:
        """Return the event that tells what happened, at a moment."""
        return DeviceEvent(
            event_id=uuid7(at, secrets.randbits(74)),
            event_time=at,
            device=self._identity.device,
            location=origin.location,
            camera=origin.camera,
            boot_id=str(self._identity.boot_id),
            clock_quality=self._quality_at(at),
            happening=happening,
        )

    def _judge_of(self, violation: Violation) -> Model:
        classifier = self._identity.classifier
        return classifier if violation.is_classified and classifier else self._identity.model


class Numbering:
    """Numbers one device's events from 1 as they are handed on; for any thread.

    A number taken earlier, when the event is made, would let an event of another thread with a
    later number be stored first: (boot_id, sequence) is the order of the outbox and of the topic.

    Args:
        put: Takes them over in the order of their numbers; may not wait.
    """

    def __init__(self, put: Callable[[Alert | DeviceEvent], None]) -> None:
        self._put = put
        self._last = 0
        self._lock = threading.Lock()

    def put(self, event: Alert | DeviceEvent) -> None:
        """Hand the event on with the next number."""
        with self._lock:
            self._last += 1
            self._put(event.model_copy(update={"sequence": self._last}))


@dataclass(frozen=True, slots=True)
class Speaker:
    """One camera's voice; `name_space` tells its episodes from those of every other start."""

    composer: Composer
    origin: Origin
    name_space: UUID = field(default_factory=uuid4)

    def episode_id(self, number: int) -> UUID:
        """Return the id of the camera's episode of a number, the same in all its events."""
        return uuid5(self.name_space, str(number))

    def alert(self, stay: Stay, *, at: datetime) -> Alert:
        """Return the alert that somebody's stay before the camera has become."""
        return self.composer.alert(stay, self.origin, at=at)

    def event(self, happening: Happening, *, at: datetime) -> DeviceEvent:
        """Return the event that tells what happened at the camera."""
        return self.composer.event(happening, self.origin, at=at)


def episode_ended(episode: Episode, episode_id: UUID, *, started_at: datetime) -> EpisodeEnded:
    """Return what is to be told of a stay that is over."""
    return EpisodeEnded(
        episode_id=episode_id,
        started_at=started_at,
        duration_s=episode.duration_s,
        label=episode.verdict,
        violated=episode.alerted_s is not None,
        mask_put_on_after_s=episode.mask_put_on_after_s,
    )


def _image(evidence: Evidence | None) -> Image:
    if evidence is None:
        return Image()
    return Image(
        format=FORMAT, width=evidence.width_px, height=evidence.height_px, data=evidence.data
    )


def _face_box(evidence: Evidence | None) -> FaceBox | None:
    """Return the face in px of the picture; without a picture there are none."""
    if evidence is None:
        return None
    left, top, right, bottom = (float(value) for value in evidence.face_px)
    return FaceBox(left=left, top=top, right=right, bottom=bottom)


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
