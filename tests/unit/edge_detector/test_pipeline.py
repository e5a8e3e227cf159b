from collections.abc import Callable
from datetime import UTC, datetime
from uuid import UUID

import numpy as np
import pytest
from edge_detector.alerts import Composer, Identity
from edge_detector.metrics import Metrics
from edge_detector.people import policy, tracker
from edge_detector.pipeline import Pipeline, Rules
from edge_detector.sources.files import Frame
from edge_detector.vision.detector import Detector
from edge_detector.vision.model import Model
from maskwatch_proto.alert import Alert, ClockQuality, Device, Label, Location
from maskwatch_proto.alert import Model as WireModel
from prometheus_client import CollectorRegistry

See = Callable[..., None]
_NOW = datetime(2026, 1, 1, tzinfo=UTC)
_ON = frozenset({Label.NO_MASK})


@pytest.fixture
def registry() -> CollectorRegistry:
    return CollectorRegistry()


@pytest.fixture
def pipeline(model: Model, registry: CollectorRegistry) -> Pipeline:
    identity = Identity(
        Device(guid="device-1"), Location(), "door", WireModel(name="m"), "fake 1", UUID(int=1)
    )
    rules = Rules(
        tracker.Rules(),
        policy.Rules(3, 5, 5.0, _ON),
        policy.Rules(1, 1, 5.0, _ON),
        evidence_bytes_max=50_000,
    )
    composer = Composer(identity, quality_at=lambda _: ClockQuality.SYNCHRONISED)
    return Pipeline(Detector(model), composer, rules, Metrics(registry))


def _process(pipeline: Pipeline, *at_s: float, is_scene: bool = False) -> list[Alert]:
    picture = np.full((128, 128, 3), 100, np.uint8)
    return [
        alert
        for moment in at_s
        for alert in pipeline.process(Frame(picture, _NOW, moment, is_scene=is_scene))
    ]


def test_person_without_a_mask_is_one_alert_however_long_they_stay(
    pipeline: Pipeline, see: See, registry: CollectorRegistry
) -> None:
    see()

    assert _process(pipeline, 0.0, 0.1) == []
    (alert,) = _process(pipeline, 0.2)
    assert _process(pipeline, *[number / 10 for number in range(3, 300)]) == []

    assert (alert.label, alert.sequence) == (Label.NO_MASK, 1)
    assert alert.probability == pytest.approx(0.9)
    assert alert.image.data.startswith(b"\xff\xd8")
    assert alert.face_box is not None
    assert (alert.face_box.left, alert.face_box.right) == (0, 20)

    def metric(name: str, **labels: str) -> float | None:
        return registry.get_sample_value(f"edge_detector_{name}", labels)

    assert metric("frames_total") == 300
    assert metric("faces_total", label="no_mask") == 300
    assert metric("episodes_total") == metric("alerts_total", label="no_mask") == 1
    assert metric("tracks") == 1
    assert metric("detect_seconds_count") == metric("frame_seconds_count") == 300


def test_person_with_a_mask_is_none(pipeline: Pipeline, see: See) -> None:
    see(probabilities=(0.9, 0.05, 0.05))

    assert _process(pipeline, *[number / 10 for number in range(20)]) == []


def test_person_who_comes_back_later_is_another_alert(pipeline: Pipeline, see: See) -> None:
    see()
    first = _process(pipeline, 0.0, 0.1, 0.2)
    again = _process(pipeline, 60.0, 60.1, 60.2)

    assert [alert.sequence for alert in first + again] == [1, 2]
    assert first[0].episode_id != again[0].episode_id


def test_mask_taken_off_in_view_is_an_alert(pipeline: Pipeline, see: See) -> None:
    see(probabilities=(0.9, 0.05, 0.05))
    assert _process(pipeline, 0.0, 0.1, 0.2, 0.3, 0.4) == []
    see(probabilities=(0.05, 0.9, 0.05))

    assert len(_process(pipeline, 0.5, 0.6, 0.7, 0.8)) == 1


def test_picture_that_stands_alone_is_judged_at_once_and_each_for_itself(
    pipeline: Pipeline, see: See
) -> None:
    see()

    alerts = _process(pipeline, 0.0, 0.1, 0.2, is_scene=True)

    assert len(alerts) == 3
    assert len({alert.episode_id for alert in alerts}) == 3


def test_face_that_is_missed_for_a_frame_does_not_alert_without_evidence(
    pipeline: Pipeline, see: See
) -> None:
    see()
    _process(pipeline, 0.0, 0.1)
    see(score=0.0)
    assert _process(pipeline, 0.2, 0.3) == []
    see()

    assert len(_process(pipeline, 0.4)) == 1
