"""One frame's way: detect, track, decide, and an alert with its evidence."""

from dataclasses import dataclass, replace

from maskwatch_proto.alert import Alert

from edge_detector import evidence
from edge_detector.alerts import Composer
from edge_detector.metrics import Metrics
from edge_detector.people import policy, tracker
from edge_detector.sources.files import Frame
from edge_detector.vision.detector import Detector
from edge_detector.vision.faces import Faces


@dataclass(frozen=True, slots=True)
class Rules:
    """How people are followed and judged.

    Attributes:
        people: What may be one person.
        moving: When a person in moving pictures is an alert.
        scene: The same for a picture that stands alone.
        evidence_bytes_max: Size of an alert's JPEG.
    """

    people: tracker.Rules
    moving: policy.Rules
    scene: policy.Rules
    evidence_bytes_max: int


class Pipeline:
    """Remembers who is in view; everything it decides is decided by pure functions."""

    def __init__(
        self, detector: Detector, composer: Composer, rules: Rules, metrics: Metrics
    ) -> None:
        self._detector = detector
        self._composer = composer
        self._rules = rules
        self._metrics = metrics
        self._tracks = tracker.Tracks()
        self._episodes: dict[int, policy.Episode] = {}

    def process(self, frame: Frame) -> list[Alert]:
        """Return the alerts that the frame gives rise to."""
        with self._metrics.frame_seconds.time():
            with self._metrics.detect_seconds.time():
                faces = self._detector.detect(frame.image_bgr)
            for label in faces.labels:
                self._metrics.faces.labels(label).inc()
            alerts = [
                self._alert(frame, faces, track, violation)
                for track, violation in self._violations(frame, faces)
            ]
        self._metrics.frames.inc()
        self._metrics.tracks.set(len(self._tracks.live))
        for alert in alerts:
            self._metrics.alerts.labels(alert.label).inc()
        return alerts

    def _violations(
        self, frame: Frame, faces: Faces
    ) -> list[tuple[tracker.Track, policy.Violation]]:
        if frame.is_scene:
            self._tracks = tracker.Tracks(next_number=self._tracks.next_number)
        before = self._tracks.next_number
        self._tracks = tracker.update(
            self._tracks, faces.xyxy_px, at_s=frame.at_s, rules=self._rules.people
        )
        self._metrics.episodes.inc(self._tracks.next_number - before)
        rules = self._rules.scene if frame.is_scene else self._rules.moving
        # Who has left is forgotten with the track.
        self._episodes = {
            track.number: self._observed(track, faces, rules) for track in self._tracks.live
        }
        found = []
        for track in self._tracks.live:
            violation = policy.decide(self._episodes[track.number], rules)
            if violation is not None and track.face is not None:
                found.append((track, violation))
        return found

    def _observed(self, track: tracker.Track, faces: Faces, rules: policy.Rules) -> policy.Episode:
        episode = self._episodes.get(track.number, policy.Episode())
        if track.face is None:
            return episode
        left, top, right, bottom = track.box_px
        judgement = policy.Judgement(
            label=faces.labels[track.face],
            probability=float(faces.probabilities[track.face].max()),
            side_px=min(right - left, bottom - top),
            is_classified=bool(faces.is_classified[track.face]),
        )
        return policy.observe(episode, judgement, rules)

    def _alert(
        self, frame: Frame, faces: Faces, track: tracker.Track, violation: policy.Violation
    ) -> Alert:
        self._episodes[track.number] = replace(self._episodes[track.number], is_alerted=True)
        face = track.face
        if face is None:
            raise ValueError(f"track {track.number} was not seen in this frame")
        picture = evidence.encode(
            frame.image_bgr,
            faces.xyxy_px[face],
            violation.label,
            size_bytes_max=self._rules.evidence_bytes_max,
        )
        return self._composer.compose(violation, picture, track=track.number, at=frame.taken_at)
