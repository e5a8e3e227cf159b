"""From what happened before a board to the alerts and device events that travel."""

import itertools
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID, uuid5

from maskwatch_proto.alert import Alert, ClockQuality, Device, Image, Model
from maskwatch_proto.device_event import Compliance, DeviceEvent, EpisodeEnded

from edge_detector.events import Composer, Identity, Origin, Stay
from edge_detector.gateway.boards import BoardPlan
from edge_detector.gateway.episodes import Visit
from edge_detector.gateway.pictures import Picture
from edge_detector.people.policy import Violation

# Name space: the alert of a result that tells its id has the same event id however often the
# result is delivered, to whichever run of the gateway.
_RESULTS = UUID("c2c3b0de-9f0e-5c1b-8a55-3d1f6a0d7e42")
_RUNTIME = "edge-impulse"

Event = Alert | DeviceEvent


@dataclass(frozen=True, slots=True)
class Moment:
    """When something happened, and whether that can be believed."""

    at: datetime
    quality: ClockQuality


@dataclass(frozen=True, slots=True)
class Gateway:
    """Who speaks for the boards; `boot_id` is new at every start."""

    device: Device
    boot_id: UUID


class BoardComposer:
    """Makes the events of one board, numbered in one sequence: each board is a device of its own.

    Args:
        gateway: Its guid and the board's id make the board's guid, unless the plan gives one.
        plan: The board's.
    """

    def __init__(self, gateway: Gateway, plan: BoardPlan) -> None:
        self._boot_id = gateway.boot_id
        self._keeps_pictures = plan.privacy == "evidence"
        self._guid = plan.guid or f"{gateway.device.guid}/{plan.id}"
        self._origin = Origin(plan.shown_name, plan.location)
        identity = Identity(
            Device(type="microcontroller", guid=self._guid, enrolled_on=gateway.device.enrolled_on),
            Model(name=plan.model, guid=plan.model, threshold=plan.probability_min),
            _RUNTIME,
            gateway.boot_id,
        )
        # What is said of the clock is known with each moment, and put in below.
        self._composer = Composer(identity, quality_at=lambda _: ClockQuality.UNCERTAIN)
        # One thread makes a board's events and stores them in the order in which it has made them.
        self._numbers = itertools.count(1)

    def alert(
        self,
        visit: Visit,
        violation: Violation,
        moment: Moment,
        *,
        key: str | None,
        picture: Picture | None,
    ) -> Alert:
        """Return the alert for the visitor, decided by the result with this key."""
        stay = Stay(self._episode_id(visit), visit.started_at, violation, evidence=None)
        changes = self._known_here(moment)
        if key is not None:
            changes["event_id"] = _alert_id(self._guid, key)
        if picture is not None and self._keeps_pictures:
            changes["image"] = Image(
                format=picture.format,
                width=picture.width,
                height=picture.height,
                data=picture.data,
            )
        alert = self._composer.alert(stay, self._origin, at=moment.at)
        return alert.model_copy(update=changes)

    def ended(self, visit: Visit, moment: Moment) -> DeviceEvent:
        """Return the event of a visit that is over."""
        put_on_after_s = None
        if visit.alerted_at and visit.masked_at:
            put_on_after_s = max(0.0, (visit.masked_at - visit.alerted_at).total_seconds())
        happening = EpisodeEnded(
            episode_id=self._episode_id(visit),
            started_at=visit.started_at,
            duration_s=(visit.seen_at - visit.started_at).total_seconds(),
            label=visit.verdict,
            violated=visit.alerted_at is not None,
            mask_put_on_after_s=put_on_after_s,
        )
        return self._event(happening, moment)

    def compliance(self, numbers: Compliance, moment: Moment) -> DeviceEvent:
        """Return the event with the numbers of a quarter of an hour."""
        return self._event(numbers, moment)

    def _event(self, happening: EpisodeEnded | Compliance, moment: Moment) -> DeviceEvent:
        event = self._composer.event(happening, self._origin, at=moment.at)
        return event.model_copy(update=self._known_here(moment))

    def _known_here(self, moment: Moment) -> dict[str, object]:
        return {"clock_quality": moment.quality, "sequence": next(self._numbers)}

    def _episode_id(self, visit: Visit) -> UUID:
        return uuid5(self._boot_id, f"{self._guid}\x1f{visit.number}")


def event_id_of(board_guid: str, result_id: str | int) -> UUID:
    """Return the id of the alert that the result with this `id` of a board decides."""
    return _alert_id(board_guid, f"id {result_id}")


def _alert_id(board_guid: str, key: str) -> UUID:
    return uuid5(_RESULTS, f"{board_guid}\x1f{key}")
