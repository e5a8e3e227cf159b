from itertools import pairwise

import numpy as np
import pytest
from maskwatch_training.detector import targets
from maskwatch_training.detector.decode import Limits, Outputs, faces, suppress
from maskwatch_training.detector.levels import SIDES_PX, STRIDES, cell_centres, cell_counts
from maskwatch_training.detector.targets import Targets

_NOTHING = np.zeros((0, 4), np.float32)


def _assigned(*boxes: list[float], labels: list[int] | None = None) -> Targets:
    return targets.assign(
        np.array(boxes, np.float32).reshape(-1, 4),
        np.array(labels if labels is not None else [0] * len(boxes), np.int64),
        _NOTHING,
        size_px=320,
    )


def _levels(assigned: Targets) -> list[int]:
    bounds = np.cumsum((0, *cell_counts(320)))
    peaks = np.flatnonzero(assigned.heat == 1.0)
    return [int(np.searchsorted(bounds, peak, side="right")) - 1 for peak in peaks]


def test_cells_are_counted_level_by_level() -> None:
    assert cell_counts(320) == (6400, 1600, 400, 100)
    centres, strides = cell_centres(320)
    assert centres.shape == (8500, 2)
    assert strides[6400] == 8
    np.testing.assert_allclose(centres[0], [2, 2])
    np.testing.assert_allclose(centres[1], [6, 2])
    np.testing.assert_allclose(centres[-1], [304, 304])


def test_no_face_gives_only_background() -> None:
    assigned = _assigned()
    assert assigned.heat.max() == 0
    assert assigned.counts.all()


@pytest.mark.parametrize(
    ("side_px", "levels"),
    [(10, [0]), (24, [0, 1]), (40, [1]), (60, [1, 2]), (100, [2]), (130, [2, 3]), (300, [3])],
)
def test_face_belongs_to_the_levels_of_its_size(side_px: float, levels: list[int]) -> None:
    assert _levels(_assigned([5, 5, 5 + side_px, 5 + side_px])) == levels


def test_every_size_belongs_to_a_level() -> None:
    for (_, high), (low, _) in pairwise(SIDES_PX):
        assert low < high
    assert SIDES_PX[0][0] == 0
    assert len(SIDES_PX) == len(STRIDES)


def test_weights_of_a_face_sum_to_one_on_its_level() -> None:
    assigned = _assigned([100, 100, 150, 160])
    assert assigned.weights.sum() == pytest.approx(1.0, abs=1e-5)


def test_ignored_region_does_not_count_but_a_face_in_it_does() -> None:
    region = np.array([[80, 80, 200, 200]], np.float32)
    face = np.array([[100, 100, 140, 140]], np.float32)
    assigned = targets.assign(face, np.array([1]), region, size_px=320)
    assert not assigned.counts.all()
    assert assigned.counts[assigned.heat > 0].all()


def test_targets_decode_to_the_faces_they_were_made_of() -> None:
    truth = np.array([[10, 20, 22, 34], [60, 60, 110, 130], [150, 40, 310, 250]], np.float32)
    labels = np.array([2, 0, 1])
    assigned = targets.assign(truth, labels, _NOTHING, size_px=320)
    found = faces(
        Outputs(
            scores=assigned.heat[:, None],
            boxes=assigned.boxes,
            classes=np.eye(3, dtype=np.float32)[assigned.labels],
        ),
        Limits(score_min=0.99),
        size_px=320,
    )
    order = np.argsort(found.boxes_px[:, 0])
    np.testing.assert_allclose(found.boxes_px[order], truth, atol=1e-3)
    assert found.labels[order].tolist() == labels.tolist()


def test_nothing_above_the_threshold_gives_no_face() -> None:
    empty = Outputs(
        np.zeros((8500, 1), np.float32),
        np.ones((8500, 4), np.float32),
        np.full((8500, 3), 1 / 3, np.float32),
    )
    found = faces(empty, Limits(score_min=0.3), size_px=320)
    assert found.boxes_px.shape == (0, 4)
    assert found.labels.shape == (0,)


def test_suppression_keeps_the_better_of_two_and_every_lone_box() -> None:
    boxes = np.array([[0, 0, 10, 10], [1, 0, 11, 10], [50, 50, 60, 60]], np.float32)
    assert suppress(boxes, iou_max=0.45).tolist() == [0, 2]
    assert suppress(boxes[:0], iou_max=0.45).tolist() == []
