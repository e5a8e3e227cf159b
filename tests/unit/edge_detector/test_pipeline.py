from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import cv2
import numpy as np
import pytest
from edge_detector import pipeline
from edge_detector.events import Composer, Identity, Origin, Speaker
from edge_detector.judged import Judged
from edge_detector.metrics import Metrics
from edge_detector.people import episodes, policy, tracker
from edge_detector.people.zones import Zones
from edge_detector.pipeline import Event, Pipeline, Rules, Watchers
from edge_detector.privacy import Mode, Plan
from edge_detector.sources.base import Frame
from edge_detector.vision.detector import Detector
from edge_detector.vision.model import Model
from maskwatch_proto.alert import Alert, ClockQuality, Device, Image, Label, Location
from maskwatch_proto.alert import Model as WireModel
from maskwatch_proto.device_event import Compliance, DeviceEvent, EpisodeEnded
from prometheus_client import CollectorRegistry

See = Callable[..., None]
FakeInterpreter = Any
_NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)
_JUDGING = policy.Rules(3, 5, 5.0, frozenset({Label.NO_MASK}), vote_s=0.5)
_RULES = Rules(tracker.Rules(), episodes.Rules(_JUDGING), evidence_bytes_max=50_000)
_MASKED, _UNSURE = (0.9, 0.05, 0.05), (0.4, 0.4, 0.2)


class _Watched:
    """A pipeline, what it has told, and what it has shown."""

    def __init__(self, model: Model, rules: Rules = _RULES) -> None:
        self.registry = CollectorRegistry()
        self.told: list[Event] = []
        self.shown: list[Judged] = []
        identity = Identity(Device(guid="device-1"), WireModel(name="m"), "fake 1", UUID(int=1))
        composer = Composer(identity, quality_at=lambda _: ClockQuality.SYNCHRONISED)
        self.speaker = Speaker(composer, Origin("door"))
        self.pipeline = Pipeline(
            Detector(model),
            self.speaker,
            rules,
            Watchers(Metrics(self.registry), self.shown.append),
        )

    def see(self, *at_s: float, is_scene: bool = False) -> list[Event]:
        told = []
        for moment in at_s:
            # Stripes that move on, so that the gate lets every frame through.
            picture = np.full((128, 128, 3), 100, np.uint8)
            picture[:, len(self.shown) % 8 :: 8] = 130 + len(self.shown) % 2 * 60
            at = _NOON + timedelta(seconds=moment)
            told += self.pipeline.process(Frame(picture, at, moment, is_scene=is_scene))
        self.told += told
        return told

    def close(self, at_s: float) -> list[Event]:
        told = self.pipeline.close(_NOON + timedelta(seconds=at_s))
        self.told += told
        return told

    @property
    def alerts(self) -> list[Alert]:
        return [event for event in self.told if isinstance(event, Alert)]

    @property
    def ended(self) -> list[EpisodeEnded]:
        return [one for one in _happenings(self.told) if isinstance(one, EpisodeEnded)]

    @property
    def compliance(self) -> list[Compliance]:
        return [one for one in _happenings(self.told) if isinstance(one, Compliance)]

    def metric(self, name: str, **labels: str) -> float | None:
        return self.registry.get_sample_value(f"edge_detector_{name}", labels)


def _happenings(told: list[Event]) -> list[object]:
    return [event.happening for event in told if isinstance(event, DeviceEvent)]


def _seconds(begin_s: float, end_s: float, *, fps: float = 5.0) -> list[float]:
    return [begin_s + number / fps for number in range(round((end_s - begin_s) * fps) + 1)]


@pytest.fixture
def watched(model: Model) -> _Watched:
    return _Watched(model)


def test_person_without_a_mask_is_one_alert_however_long_they_stay(
    watched: _Watched, see: See
) -> None:
    see()

    assert watched.see(*_seconds(0, 0.8)) == []
    watched.see(*_seconds(1.0, 30))
    (alert,) = watched.alerts

    assert (alert.label, alert.camera) == (Label.NO_MASK, "door")
    assert alert.probability == pytest.approx(0.9)
    assert alert.image.data.startswith(b"\xff\xd8")
    assert alert.face_box is not None
    assert (alert.face_box.left, alert.face_box.right) == (0, 20)
    assert watched.metric("frames_total") == len(watched.shown) == 151
    assert watched.metric("faces_total", label="no_mask") == 151
    assert watched.metric("episodes_total") == watched.metric("alerts_total", label="no_mask") == 1
    assert watched.metric("tracks") == 1
    assert watched.metric("detect_seconds_count") == watched.metric("frame_seconds_count") == 151


def test_person_with_a_mask_is_none_but_is_counted(watched: _Watched, see: See) -> None:
    see(probabilities=_MASKED)
    watched.see(*_seconds(0, 10))
    watched.close(10)

    assert watched.alerts == []
    (ended,) = watched.ended
    assert (ended.label, ended.violated, ended.duration_s) == (Label.MASK, False, 10.0)
    assert ended.started_at == _NOON
    (window,) = watched.compliance
    assert (window.people, window.with_mask, window.window_start) == (1, 1, _NOON)
    assert window.observed_s == pytest.approx(10.0)


def test_alert_and_end_of_an_episode_share_its_id(watched: _Watched, see: See) -> None:
    see()
    watched.see(*_seconds(0, 3))
    see(score=0.0)
    watched.see(*_seconds(3.2, 70))

    (alert,), (ended,) = watched.alerts, watched.ended
    assert alert.episode_id == ended.episode_id
    assert ended.violated
    assert ended.duration_s == pytest.approx(3.0)
    assert ended.started_at == alert.episode_started_at == _NOON


@pytest.mark.parametrize(("away_s", "expected"), [(5, 1), (300, 2)])
def test_who_comes_back_is_another_only_after_the_absence(
    watched: _Watched, see: See, away_s: float, expected: int
) -> None:
    see()
    watched.see(*_seconds(0, 3))
    see(score=0.0)
    watched.see(*_seconds(3.2, 3 + away_s, fps=1))
    see()
    watched.see(*_seconds(3.2 + away_s, 8 + away_s))
    watched.close(9 + away_s)

    assert len(watched.alerts) == len(watched.ended) == expected


def test_mask_taken_off_in_view_is_an_alert(watched: _Watched, see: See) -> None:
    see(probabilities=_MASKED)
    watched.see(*_seconds(0, 3))
    see()
    watched.see(*_seconds(3.2, 5))

    assert len(watched.alerts) == 1


def test_picture_that_stands_alone_is_judged_at_once_and_each_for_itself(
    watched: _Watched, see: See
) -> None:
    see()

    told = watched.see(0.0, 0.1, 0.2, is_scene=True)

    assert [type(event) for event in told] == [Alert, DeviceEvent] * 3
    assert len({alert.episode_id for alert in watched.alerts}) == 3
    assert [ended.duration_s for ended in watched.ended] == [0.0] * 3


def test_evidence_is_the_best_picture_so_far(watched: _Watched, see: See) -> None:
    # The face grows, then shrinks again before the votes agree.
    for at_s, side_px in [(0.0, 10.0), (0.5, 14.0), (1.0, 10.0)]:
        see(cell=9, side_px=side_px)
        watched.see(at_s)

    (alert,) = watched.alerts
    assert alert.face_box is not None
    assert alert.face_box.right - alert.face_box.left == pytest.approx(28.0)


def test_unsure_face_is_a_person_without_a_verdict(watched: _Watched, see: See) -> None:
    see(probabilities=_UNSURE)
    watched.see(*_seconds(0, 3))
    watched.close(3)

    (window,) = watched.compliance
    assert (window.people, window.unsure) == (1, 1)


def test_who_stands_outside_the_zone_is_nobody(model: Model, see: See) -> None:
    right = Zones(include=(((0.5, 0), (1, 0), (1, 1), (0.5, 1)),))
    watched = _Watched(model, replace(_RULES, zones=right))
    see()
    watched.see(*_seconds(0, 3))
    watched.close(3)

    assert (watched.alerts, watched.ended) == ([], [])
    assert watched.compliance[0].people == 0


def test_face_below_the_least_size_is_nobody(model: Model, see: See) -> None:
    stays = episodes.Rules(replace(_JUDGING, side_px_min=21.0))
    watched = _Watched(model, replace(_RULES, stays=stays))
    see(side_px=10.0)
    watched.see(*_seconds(0, 3))
    watched.close(3)

    assert (watched.alerts, watched.ended) == ([], [])


def test_nothing_moves_and_nobody_is_here_so_the_model_looks_rarely(
    watched: _Watched, see: See
) -> None:
    see(score=0.0)
    still = np.full((128, 128, 3), 100, np.uint8)
    for at_s in _seconds(0, 20):
        watched.pipeline.process(Frame(still, _NOON, at_s))

    assert watched.metric("frames_total") == 11
    assert watched.metric("frames_idle_total") == 90
    assert [one.faces is None for one in watched.shown[:3]] == [False, True, True]


def test_person_who_stands_still_is_looked_at_all_the_same(watched: _Watched, see: See) -> None:
    see()
    still = np.full((128, 128, 3), 100, np.uint8)
    for at_s in _seconds(0, 10):
        watched.told += watched.pipeline.process(Frame(still, _NOON, at_s))

    assert len(watched.alerts) == 1
    assert watched.metric("frames_total") == 17
    assert all(len(one.people) == 1 for one in watched.shown)


def test_episode_ends_and_window_closes_without_a_frame(watched: _Watched, see: See) -> None:
    see()
    watched.see(*_seconds(0, 3))
    tick = watched.pipeline.tick

    assert tick(_NOON + timedelta(seconds=60), idle_s=57.0) == []
    (ended,) = tick(_NOON + timedelta(seconds=64), idle_s=61.0)
    (window,) = tick(_NOON + timedelta(minutes=16), idle_s=957.0)

    assert isinstance(ended, DeviceEvent)
    assert isinstance(ended.happening, EpisodeEnded)
    assert ended.happening.started_at == _NOON
    assert isinstance(window, DeviceEvent)
    assert isinstance(window.happening, Compliance)
    assert (window.happening.people, window.happening.without_mask) == (1, 1)


def test_film_that_begins_anew_ends_nobody(watched: _Watched, see: See) -> None:
    see()
    watched.see(*_seconds(100, 103))
    watched.see(*_seconds(0, 3))
    watched.close(3)

    (ended,) = watched.ended
    assert ended.duration_s == pytest.approx(6.0)


def test_other_rules_lose_nobody(watched: _Watched, see: See) -> None:
    see()
    watched.see(*_seconds(0, 2))
    origin = Origin("gate", Location(longitude=1, latitude=2))
    watched.pipeline.follow(_RULES, replace(watched.speaker, origin=origin, name_space=UUID(int=9)))
    watched.see(*_seconds(2.2, 4))
    told = watched.close(5)

    assert len(watched.alerts) == len(watched.ended) == 1
    assert watched.alerts[0].episode_id == watched.ended[0].episode_id
    assert {event.camera for event in told} == {"gate"}


def test_statistics_keep_no_picture(model: Model, see: See) -> None:
    watched = _Watched(model, replace(_RULES, privacy=Plan(Mode.STATS)))
    see()
    watched.see(*_seconds(0, 3))

    (alert,) = watched.alerts
    assert (alert.image, alert.face_box) == (Image(), None)


@pytest.mark.parametrize("blurs_violators", [False, True])
def test_blurred_picture_shows_the_violator_unless_they_are_to_be_blurred_too(
    model: Model, see: See, *, blurs_violators: bool
) -> None:
    plan = Plan(Mode.BLURRED, blurs_violators=blurs_violators)
    watched = _Watched(model, replace(_RULES, privacy=plan))
    see(side_px=16.0, cell=18)

    (alert,) = _noisy_alerts(watched)

    # The cell's centre is (20, 20) of the input and (40, 40) of the frame.
    assert (_detail(alert, 36, 36) < 20) == blurs_violators


def test_what_is_only_faintly_a_face_is_blurred(
    model: Model, interpreter: FakeInterpreter, see: See
) -> None:
    watched = _Watched(model, replace(_RULES, privacy=Plan(Mode.BLURRED)))
    see(side_px=16.0, cell=18)
    scores, distances, classes = interpreter.answers
    scores[0, 45], distances[0, 45], classes[0, 45] = 0.2, 1.0, (0.9, 0.05, 0.05)

    (alert,) = _noisy_alerts(watched)

    assert len(watched.shown[-1].people) == 1
    assert _detail(alert, 36, 36) > 40
    assert _detail(alert, 84, 84) < 20


def test_place_that_may_be_a_face_stays_hidden_while_nothing_moves(
    model: Model, interpreter: FakeInterpreter
) -> None:
    watched = _Watched(model, replace(_RULES, privacy=Plan(Mode.BLURRED)))
    scores, distances, _ = interpreter.answers
    scores[0, 45], distances[0, 45] = 0.2, 1.0

    still = np.random.default_rng(1).integers(0, 255, (128, 128, 3), np.uint8)
    for at_s in (0.0, 0.2):
        watched.pipeline.process(Frame(still, _NOON, at_s))

    looked, idle = watched.shown
    assert idle.faces is None
    assert idle.present.boxes_px.tolist() == looked.present.boxes_px.tolist() != []


def _noisy_alerts(watched: _Watched) -> list[Alert]:
    picture = np.random.default_rng(1).integers(0, 255, (128, 128, 3), np.uint8)
    for at_s in _seconds(0, 2):
        watched.told += watched.pipeline.process(Frame(picture, _NOON, at_s))
    return watched.alerts


def _detail(alert: Alert, x: int, y: int) -> float:
    """Return how much the pixels of a small part differ; noise is about 70 grey levels."""
    picture = cv2.imdecode(np.frombuffer(alert.image.data, np.uint8), cv2.IMREAD_COLOR)
    return float(picture[y : y + 8, x : x + 8].astype(float).std())


def test_what_is_shown_tells_people_verdicts_and_violators(watched: _Watched, see: See) -> None:
    see()
    watched.see(*_seconds(0, 2))
    first, last = watched.shown[0], watched.shown[-1]

    assert (first.people[0].verdict, first.people[0].is_violator) == (Label.UNSURE, False)
    assert (last.people[0].verdict, last.people[0].is_violator) == (Label.NO_MASK, True)
    assert (last.people[0].track, last.people[0].face) == (1, 0)
    assert last.faces is not None
    assert last.detect_s > 0
    assert len(first.present.violators_px) == 0
    assert len(last.present.violators_px) == 1


def test_default_watcher_shows_nothing(model: Model, see: See) -> None:
    see()
    identity = Identity(Device(guid="d"), WireModel(), "", UUID(int=1))
    composer = Composer(identity, quality_at=lambda _: ClockQuality.SYNCHRONISED)
    alone = Pipeline(
        Detector(model),
        Speaker(composer, Origin()),
        pipeline.Rules(tracker.Rules(), episodes.Rules(_JUDGING)),
        Watchers(Metrics(CollectorRegistry())),
    )

    assert alone.process(Frame(np.zeros((128, 128, 3), np.uint8), _NOON, 0.0)) == []
    assert alone.close(_NOON) == []
