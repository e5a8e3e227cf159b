"""One camera's frame on its way: motion, faces, zones, people, and what is to be told of them."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

import numpy as np
from maskwatch_proto.alert import Alert
from maskwatch_proto.device_event import DeviceEvent

from edge_detector import events, judged
from edge_detector.album import Album
from edge_detector.events import Speaker, Stay
from edge_detector.judged import Judged
from edge_detector.metrics import Metrics
from edge_detector.people import appearance, compliance, episodes, policy, tracker, zones
from edge_detector.people.episodes import Episode, Sighting
from edge_detector.people.policy import Violation
from edge_detector.people.tracker import Track
from edge_detector.people.zones import Zones
from edge_detector.privacy import Mode, Plan
from edge_detector.sources.base import Frame
from edge_detector.timeline import Timeline
from edge_detector.vision import motion
from edge_detector.vision.arrays import Floats
from edge_detector.vision.detector import Detector, Sight
from edge_detector.vision.faces import Faces
from edge_detector.vision.motion import Rules as MotionRules

Event = Alert | DeviceEvent


@dataclass(frozen=True, slots=True)
class Rules:
    """How one camera's people are followed, judged and shown.

    Attributes:
        people: What may be one person from frame to frame.
        stays: What is one stay, and when it is an alert.
        zones: Where a mask is required.
        privacy: What of a picture may be kept.
        motion: When a frame is worth a look.
        evidence_bytes_max: Size of an alert's JPEG.
    """

    people: tracker.Rules
    stays: episodes.Rules
    zones: Zones = field(default_factory=Zones)
    privacy: Plan = field(default_factory=Plan)
    motion: MotionRules = field(default_factory=MotionRules)
    evidence_bytes_max: int = 150_000


def _nobody(_: Judged) -> None:
    """Show nothing to anybody."""


@dataclass(frozen=True, slots=True)
class Watchers:
    """Who is told of every frame: metrics, and `on_judged`, called by the pipeline's thread."""

    metrics: Metrics
    on_judged: Callable[[Judged], None] = _nobody


class Pipeline:
    """One camera's memory of who is in view; used by one thread at a time.

    Args:
        detector: Finds and judges faces; cameras may share one.
        speaker: Makes the camera's alerts and events.
        rules: How its people are treated.
        watchers: Who is told of every frame.
    """

    def __init__(
        self, detector: Detector, speaker: Speaker, rules: Rules, watchers: Watchers
    ) -> None:
        self._detector = detector
        self._speaker = speaker
        self._rules = rules
        self._watchers = watchers
        self._gate = motion.Gate(rules.motion)
        self._album = Album(rules.privacy, size_bytes_max=rules.evidence_bytes_max)
        self._timeline = Timeline()
        self._tracks = tracker.Tracks()
        self._episodes = episodes.Episodes()
        self._tally: compliance.Tally | None = None
        self._faint_px = np.empty((0, 4), np.float32)

    def process(self, frame: Frame) -> list[Event]:
        """Return the alerts and events that a frame gives rise to, in their order."""
        metrics = self._watchers.metrics
        with metrics.frame_seconds.time():
            elapsed_s = self._timeline.move_to(frame.at_s)
            told = self._counted_until(frame.taken_at, elapsed_s=elapsed_s)
            if self._is_due(frame):
                told += self._judge_scene(frame) if frame.is_scene else self._judge(frame)
            else:
                metrics.frames_idle.inc()
                told += self._left(frame.taken_at)
                self._watchers.on_judged(judged.idle(frame, self._people(), self._faint_px))
        return told

    def tick(self, now: datetime, *, idle_s: float) -> list[Event]:
        """Return what ends without a frame: stays, and the quarter of an hour.

        Args:
            now: The moment, UTC.
            idle_s: Seconds since the camera's last frame.
        """
        self._timeline.wait(idle_s)
        return self._counted_until(now, elapsed_s=0.0) + self._left(now)

    def close(self, now: datetime) -> list[Event]:
        """Return the end of every stay, and the part of the quarter of an hour that was counted."""
        told = self._counted_until(now, elapsed_s=0.0) + self._all_left(now)
        tally, self._tally = self._tally, None
        happening = None if tally is None else compliance.summary(tally)
        return told if happening is None else [*told, self._speaker.event(happening, at=now)]

    def follow(self, rules: Rules, speaker: Speaker) -> None:
        """Go on with other rules and another place, without losing anybody who is in view."""
        self._rules = rules
        self._gate.rules = rules.motion
        self._album = Album(rules.privacy, size_bytes_max=rules.evidence_bytes_max)
        self._speaker = replace(speaker, name_space=self._speaker.name_space)

    def _is_due(self, frame: Frame) -> bool:
        followed = bool(self._followed())
        at_s = self._timeline.at_s
        return frame.is_scene or self._gate.is_due(
            frame.image_bgr, at_s=at_s, is_anyone_here=followed
        )

    def _judge_scene(self, frame: Frame) -> list[Event]:
        """Judge a picture that stands alone: whoever is in it comes and goes with it."""
        told = self._all_left(frame.taken_at) + self._judge(frame)
        return told + self._all_left(frame.taken_at, self._stays(is_scene=True))

    def _judge(self, frame: Frame) -> list[Event]:
        at_s, metrics = self._timeline.at_s, self._watchers.metrics
        sight, detect_s = self._look(frame)
        self._faint_px = sight.faint_px
        before = len(self._tracks.live)
        self._tracks = tracker.update(
            self._tracks, sight.faces.xyxy_px, at_s=at_s, rules=self._rules.people
        )
        metrics.tracks.inc(len(self._tracks.live) - before)
        sightings = self._sightings(frame, sight.faces)
        step = episodes.update(
            self._episodes,
            sightings,
            at_s=at_s,
            followed=self._followed(),
            rules=self._stays(is_scene=frame.is_scene),
        )
        self._episodes = step.episodes
        metrics.episodes.inc(len(step.begun))
        made = judged.looked(frame, sight, self._people(), detect_s=detect_s)
        self._collect(made, sightings)
        told: list[Event] = [self._alert(made, one, why) for one, why in step.violations]
        self._watchers.on_judged(made)
        return told + self._ended(step.ended, frame.taken_at)

    def _look(self, frame: Frame) -> tuple[Sight, float]:
        """Return what the models see, and the seconds that they took."""
        metrics = self._watchers.metrics
        with metrics.detect_seconds.time() as timer:
            if self._rules.privacy.mode is Mode.BLURRED:
                sight = self._detector.look(frame.image_bgr)
            else:
                faces = self._detector.detect(frame.image_bgr)
                sight = Sight(faces, faces.xyxy_px)
        metrics.frames.inc()
        for label in sight.faces.labels:
            metrics.faces.labels(label).inc()
        return sight, timer.duration

    def _stays(self, *, is_scene: bool) -> episodes.Rules:
        stays = self._rules.stays
        if not is_scene:
            return stays
        return replace(stays, judging=policy.at_once(stays.judging), sightings_min=1)

    def _sightings(self, frame: Frame, faces: Faces) -> list[Sighting]:
        """Return the people seen where a mask is required, near enough to be judged."""
        height, width = frame.image_bgr.shape[:2]
        is_required = zones.required(faces.xyxy_px, self._rules.zones, size_wh=(width, height))
        found = []
        for track in self._tracks.live:
            if track.face is None or not is_required[track.face]:
                continue
            left, top, right, bottom = track.box_px
            judgement = policy.Judgement(
                label=faces.labels[track.face],
                probability=float(faces.probabilities[track.face].max()),
                side_px=min(right - left, bottom - top),
                is_classified=bool(faces.is_classified[track.face]),
            )
            if judgement.side_px >= self._rules.stays.judging.side_px_min:
                look = self._look_of(frame, track)
                score = float(faces.scores[track.face])
                found.append(Sighting(track.number, track.box_px, judgement, look, score))
        return found

    def _look_of(self, frame: Frame, track: Track) -> Floats | None:
        """Return the colours of somebody's clothes, where they are not known well enough."""
        if not episodes.is_look_due(self._episodes, track.number, at_s=self._timeline.at_s):
            return None
        return appearance.describe(frame.image_bgr, track.box_px)

    def _collect(self, made: Judged, sightings: Sequence[Sighting]) -> None:
        """Keep the pictures that may become evidence, and none of anybody else."""
        judging, at_s = self._rules.stays.judging, self._timeline.at_s
        for sighting in sightings:
            episode = self._episodes.of_track(sighting.track)
            if episode is None or episode.alerted_s not in (None, at_s):
                continue
            if sighting.judgement.label in judging.alerts_on:
                self._album.consider(episode.number, sighting, made, at_s=at_s)
        self._album.keep(
            {one.number for one in self._episodes.open if one.alerted_s in (None, at_s)}
        )

    def _alert(self, made: Judged, episode: Episode, violation: Violation) -> Alert:
        self._watchers.metrics.alerts.labels(violation.label).inc()
        picture = self._album.take(episode.number, violation.label)
        at = made.frame.taken_at
        episode_id = self._speaker.episode_id(episode.number)
        stay = Stay(episode_id, self._started_at(episode, at), violation, picture)
        return self._speaker.alert(stay, at=at)

    def _people(self) -> tuple[judged.Person, ...]:
        return judged.people_of(self._tracks.live, self._episodes)

    def _followed(self) -> set[int]:
        at_s, keep_s = self._timeline.at_s, self._rules.people.keep_s
        return {track.number for track in self._tracks.live if at_s - track.seen_s <= keep_s}

    def _left(self, now: datetime) -> list[Event]:
        step = episodes.sweep(
            self._episodes,
            at_s=self._timeline.at_s,
            followed=self._followed(),
            rules=self._rules.stays,
        )
        self._episodes = step.episodes
        return self._ended(step.ended, now)

    def _all_left(self, now: datetime, rules: episodes.Rules | None = None) -> list[Event]:
        step = episodes.close(self._episodes, rules or self._rules.stays)
        self._episodes = step.episodes
        self._watchers.metrics.tracks.dec(len(self._tracks.live))
        self._tracks = tracker.Tracks(next_number=self._tracks.next_number)
        return self._ended(step.ended, now)

    def _ended(self, ended: Sequence[Episode], now: datetime) -> list[Event]:
        told: list[Event] = []
        for episode in ended:
            if self._tally is not None:
                self._tally = compliance.counted(self._tally, episode.verdict)
            ending = events.episode_ended(
                episode,
                self._speaker.episode_id(episode.number),
                started_at=self._started_at(episode, now),
            )
            told.append(self._speaker.event(ending, at=now))
        return told

    def _started_at(self, episode: Episode, now: datetime) -> datetime:
        # Reckoned from now: the clock may have been set since then.
        return now - timedelta(seconds=self._timeline.at_s - episode.started_s)

    def _counted_until(self, now: datetime, *, elapsed_s: float) -> list[Event]:
        self._tally, finished = compliance.advance(self._tally, now, elapsed_s=elapsed_s)
        return [] if finished is None else [self._speaker.event(finished, at=now)]
