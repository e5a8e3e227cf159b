"""What privacy forbids is not in the outbox's file, byte by byte."""

from datetime import timedelta
from pathlib import Path

import cv2
import numpy as np
import pytest
from edge_detector.pipeline import Event
from edge_detector.privacy import Mode, Plan
from edge_detector.sources.base import Frame
from edge_detector.vision.arrays import Picture
from maskwatch_proto.alert import Alert
from maskwatch_runtime.outbox.outbox import Outbox

from benchmarks.edge import clips, episodes

_MARKERS = (b"\xff\xd8\xff", b"\x89PNG")
_RUN_BYTES = 64


@pytest.mark.parametrize("mode", [Mode.STATS, Mode.EVIDENCE])
def test_statistics_leave_no_pixel_in_the_outbox(tmp_path: Path, mode: Mode) -> None:
    watching = episodes.watched(episodes.detector(), plan=Plan(mode))
    frames: list[Frame] = []
    told: list[Event] = []
    for frame in clips.short_clips()[0].frames(fps=4, seed=1):
        frames.append(frame)
        told += watching.process(frame)
    told += watching.close(frames[-1].taken_at + timedelta(seconds=1))
    outbox = Outbox.open(tmp_path / "outbox.db")
    for event in told:
        outbox.append(event)

    stored = b"".join(path.read_bytes() for path in sorted(tmp_path.iterdir()))
    outbox.close()

    assert sum(isinstance(event, Alert) for event in told) == 1
    has_picture = any(marker in stored for marker in _MARKERS)
    assert has_picture == (mode is Mode.EVIDENCE)
    assert not any(_has_run(stored, frame.image_bgr) for frame in frames)


def _has_run(stored: bytes, picture: Picture) -> bool:
    """Return whether bytes of a row of the frame stand in the file, sampled at every 7th row."""
    rows = picture.reshape(picture.shape[0], -1)[::7]
    return any(
        row[start : start + _RUN_BYTES].tobytes() in stored
        for row in rows
        for start in range(0, len(row) - _RUN_BYTES, 640)
    )


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
