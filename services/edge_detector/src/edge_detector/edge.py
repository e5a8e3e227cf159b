"""The cameras at work: a station and a pipeline for each, and the loop that takes them in turn."""

import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import structlog
from maskwatch_proto.device_event import CameraChanged, CameraState
from maskwatch_runtime.clock import Clock
from maskwatch_runtime.errors import Misconfigured
from maskwatch_runtime.health import Health

from edge_detector import pipeline, rules
from edge_detector.cameras import CameraPlan
from edge_detector.device import heat
from edge_detector.device.heat import Heat
from edge_detector.events import Composer, Origin, Speaker
from edge_detector.judged import Judged
from edge_detector.metrics import Metrics
from edge_detector.pipeline import Event, Pipeline, Watchers
from edge_detector.stations import opening
from edge_detector.stations.latest import Latest
from edge_detector.stations.loop import Loop, LoopEnded, Outlet, Turn
from edge_detector.stations.opening import Opening
from edge_detector.stations.roster import Post, Roster
from edge_detector.stations.station import Reading, Station, Told
from edge_detector.vision.detector import Detector

_log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Listeners:
    """Who is told what the cameras see and how they do.

    Attributes:
        put: Takes an alert or device event over and never waits; called by several threads.
        taken: Told of each frame that is taken up, by its camera's name.
        judged: A camera's frame and what was made of it; called by the loop's thread.
        changed: A camera went down or came back; called by its station's thread.
        planned: The cameras that there are from now on.
        ended: Told how many frames there were once every source has ended; the cameras of other
            plans are waited for then. None: nothing is.
    """

    put: Callable[[Event], None]
    taken: Callable[[str], None] = lambda _camera: None
    judged: Callable[[str, Judged], None] = lambda _camera, _judged: None
    changed: Callable[[str, CameraChanged], None] = lambda _camera, _changed: None
    planned: Callable[[Sequence[CameraPlan]], None] = lambda _plans: None
    ended: Callable[[int], None] | None = None


@dataclass(frozen=True, slots=True)
class Kit:
    """What every camera uses."""

    detector: Detector
    composer: Composer
    clock: Clock
    metrics: Metrics
    health: Health
    heat: Heat
    listeners: Listeners


@dataclass(frozen=True, slots=True)
class _Lane:
    """One camera's way from its source to its events."""

    post: Post
    pipeline: Pipeline

    @property
    def turn(self) -> Turn:
        return Turn(self.post.station, self.pipeline)


class Edge:
    """All cameras of a device.

    Args:
        plans: At least one; names differ.
        roster: Where their stations join; empty.
        kit: What they use.
        evidence_bytes_max: Size of an alert's JPEG.

    Raises:
        Misconfigured: A camera's file is not there.
    """

    def __init__(
        self, plans: Sequence[CameraPlan], roster: Roster, kit: Kit, *, evidence_bytes_max: int
    ) -> None:
        self._kit, self._roster = kit, roster
        self._evidence_bytes_max = evidence_bytes_max
        self._arrived = threading.Condition()
        self._opening = Opening(kit.clock, roster.ending, kit.metrics.files_unreadable.inc)
        self._plans: Mapping[str, CameraPlan] = {plan.name: plan for plan in plans}
        self._lanes: Mapping[str, _Lane] = {plan.name: self._lane(plan) for plan in plans}
        roster.join([lane.post for lane in self._lanes.values()])
        turns = [lane.turn for lane in self._lanes.values()]
        self._loop = Loop(turns, self._arrived, self._outlet(), clock=kit.clock)
        kit.listeners.planned(plans)

    def run(self, halt: threading.Event) -> int:
        """Watch until `halt` is set, or every source has ended; return how many frames there were.

        Raises:
            RuntimeError: A station has failed.
        """
        with self._roster:
            return self._loop.run(halt)

    def apply(self, plans: Sequence[CameraPlan]) -> None:
        """Go on with other plans, without losing anybody who is in view of a camera that stays.

        Raises:
            Misconfigured: A camera's file is not there, or the service is at its end; nothing has
                changed.
        """
        before, after = self._plans, {plan.name: plan for plan in plans}
        # Everything that may be refused comes first.
        fresh = {
            name: self._post(plan)
            for name, plan in after.items()
            if name not in before or _is_read_differently(before[name], plan)
        }
        if self._loop.has_ended:
            raise Misconfigured("every source has ended, and the service with them")
        gone = [name for name in before if name not in after]
        self._plans = after
        # A camera is let go of before it is opened anew.
        self._rest(fresh)
        self._roster.leave([*gone, *(name for name in fresh if name in before)])
        try:
            self._loop.rearrange(lambda: self._turns(after, fresh))
        except LoopEnded:
            return  # the service stops meanwhile
        self._roster.join(fresh.values())
        for name in gone:
            self._kit.metrics.camera_up.remove(name)
        self._kit.listeners.planned(plans)

    def _rest(self, fresh: Mapping[str, Post]) -> None:
        """Let a camera that an operator has stopped stay so when it is read differently."""
        for name, post in fresh.items():
            if name in self._lanes and not self._lanes[name].post.station.is_wanted:
                post.station.pause()

    def _turns(self, plans: Mapping[str, CameraPlan], fresh: Mapping[str, Post]) -> list[Turn]:
        """Return whose turn it is from now on; called by the loop's thread."""
        lanes = {}
        for name, plan in plans.items():
            known = self._lanes.get(name)
            if known is None:
                lanes[name] = _Lane(fresh[name], self._pipeline(plan))
                continue
            known.pipeline.follow(self._rules(plan), self._speaker(plan))
            lanes[name] = _Lane(fresh.get(name, known.post), known.pipeline)
        self._lanes = lanes
        return [lane.turn for lane in lanes.values()]

    def _outlet(self) -> Outlet:
        kit = self._kit

        def taken(camera: str) -> None:
            kit.metrics.camera_frames.labels(camera).inc()
            kit.listeners.taken(camera)

        return Outlet(
            kit.listeners.put,
            taken,
            kit.health,
            kit.health.track("frames"),
            kit.listeners.ended,
        )

    def _lane(self, plan: CameraPlan) -> _Lane:
        return _Lane(self._post(plan), self._pipeline(plan))

    def _post(self, plan: CameraPlan) -> Post:
        kit = self._kit
        source = opening.pushed(plan, kit.clock)
        reading = Reading(
            plan.name,
            opening.opener(plan, source, self._opening),
            is_live=plan.is_live,
            rules=rules.watching(plan),
            is_due=lambda waited_s: heat.is_due(waited_s, fps=plan.fps, share=kit.heat.share),
        )
        _log.info(
            "camera", action="plan", camera=plan.name, kind=plan.kind, source=plan.shown_source
        )
        station = Station(reading, Latest(self._arrived), self._told(plan.name), kit.clock)
        return Post(station, source)

    def _told(self, camera: str) -> Told:
        kit, metrics = self._kit, self._kit.metrics
        # There from the beginning, at 0: what rises from nothing is no rate for whoever watches.
        metrics.camera_frames.labels(camera)
        up = metrics.camera_up.labels(camera)
        up.set(0)

        def changed(change: CameraChanged) -> None:
            plan = self._plans.get(camera)
            if plan is None:
                return  # taken out of the file while it was told
            up.set(change.state is CameraState.UP)
            origin = Origin(camera, plan.location)
            kit.listeners.put(kit.composer.event(change, origin, at=kit.clock.now()))
            kit.listeners.changed(camera, change)

        return Told(
            changed=changed,
            first_seen=lambda: up.set(1),
            overwritten=metrics.frames_overwritten.labels(camera).inc,
            replaced=metrics.camera_reconnects.labels(camera).inc,
            lost=metrics.camera_readers_lost.labels(camera).inc,
        )

    def _pipeline(self, plan: CameraPlan) -> Pipeline:
        kit = self._kit
        watchers = Watchers(kit.metrics, lambda judged: kit.listeners.judged(plan.name, judged))
        return Pipeline(kit.detector, self._speaker(plan), self._rules(plan), watchers)

    def _rules(self, plan: CameraPlan) -> pipeline.Rules:
        return rules.of(plan, evidence_bytes_max=self._evidence_bytes_max)

    def _speaker(self, plan: CameraPlan) -> Speaker:
        return Speaker(self._kit.composer, Origin(plan.name, plan.location))


def _is_read_differently(before: CameraPlan, after: CameraPlan) -> bool:
    """Return whether the camera needs another station; thresholds, zones and privacy do not."""
    return _reading(before) != _reading(after)


def _reading(plan: CameraPlan) -> tuple[object, ...]:
    return (
        plan.source,
        plan.resolution,
        plan.fps,
        plan.loop,
        plan.paced,
        plan.pictures,
        rules.watching(plan),
    )
