"""What privacy forbids does not leave memory: not to the outbox, the topics or the archive."""

import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path

import cv2
import numpy as np
import pytest
from edge_detector.pipeline import Event
from edge_detector.privacy import Mode, Plan
from maskwatch_proto.alert import Alert

from benchmarks.edge import clips, episodes, privacy
from benchmarks.edge.privacy import Found


@pytest.fixture(scope="module")
def left() -> Iterator[Mapping[str, Found]]:
    """What the real detector and all that stands behind it have left, run by run."""
    with tempfile.TemporaryDirectory(prefix="maskwatch-") as name:
        folder = Path(name)
        folder.chmod(0o711)  # PostgreSQL may run as another user, who must get through
        yield privacy.found(folder)


def test_statistics_leave_no_pixel_anywhere(left: Mapping[str, Found]) -> None:
    stats = left[Mode.STATS]

    assert stats.alerts == 1
    assert all(traces.size_bytes for traces in stats.places.values())
    assert (stats.total.markers, stats.total.runs) == (0, 0), stats.places


def test_the_same_search_finds_the_picture_of_evidence_in_every_place(
    left: Mapping[str, Found],
) -> None:
    markers = {place: traces.markers for place, traces in left[Mode.EVIDENCE].places.items()}

    assert markers.pop(privacy.LOGS) == 0
    assert all(markers.values()), markers


def test_the_same_search_finds_a_frame_that_is_sent_as_it_is_in_every_place(
    left: Mapping[str, Found],
) -> None:
    runs = {place: traces.runs for place, traces in left[privacy.RAW].places.items()}

    assert runs.pop(privacy.LOGS) == 0
    assert all(runs.values()), runs


def test_blurred_evidence_of_one_without_a_mask_hides_the_one_with() -> None:
    """Both stand side by side; nobody is found any more where the masked one is blurred."""
    plan = Plan(Mode.BLURRED)
    detector = episodes.detector()
    watching = episodes.watched(detector, plan=plan)
    told: list[Event] = []
    for frame in clips.side_by_side().frames(fps=4, seed=1):
        told += watching.process(frame)

    (alert,) = [event for event in told if isinstance(event, Alert)]
    picture = cv2.imdecode(np.frombuffer(alert.image.data, np.uint8), cv2.IMREAD_COLOR)
    seen = detector.detect(np.asarray(picture, np.uint8))

    assert seen.best_labels == (alert.label,)
