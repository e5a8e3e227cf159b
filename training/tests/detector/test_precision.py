import math

import numpy as np
import pytest
from maskwatch_training.detector.precision import Case, average_precision, match


def _case(truth: list[list[float]], found: list[tuple[float, list[float]]]) -> Case:
    return Case(
        long_side_px=640,
        truth_px=np.array(truth, np.float32).reshape(-1, 4),
        truth_labels=np.zeros(len(truth), np.int64),
        found_px=np.array([box for _, box in found], np.float32).reshape(-1, 4),
        scores=np.array([score for score, _ in found], np.float32),
        labels=np.zeros(len(found), np.int64),
    )


def test_no_face_at_all_has_no_precision() -> None:
    assert math.isnan(average_precision(match([_case([], [])], iou_min=0.5, side_min_px=0)))


def test_finding_every_face_is_one_and_nothing_is_nought() -> None:
    box = [0.0, 0.0, 50.0, 50.0]
    right = match([_case([box], [(0.9, box)])], iou_min=0.5, side_min_px=0)
    nothing = match([_case([box], [])], iou_min=0.5, side_min_px=0)
    assert average_precision(right) == pytest.approx(1)
    assert average_precision(nothing) == 0


def test_duplicate_counts_as_wrong() -> None:
    first, second = [0.0, 0.0, 50.0, 50.0], [200.0, 0.0, 250.0, 50.0]
    near = [1.0, 0.0, 51.0, 50.0]
    found = [(0.9, first), (0.8, near), (0.7, second)]
    matches = match([_case([first, second], found)], iou_min=0.5, side_min_px=0)
    assert matches.is_right.tolist() == [True, False, True]
    assert average_precision(matches) == pytest.approx(0.5 + 0.5 * 2 / 3)


def test_small_faces_count_neither_way() -> None:
    small, large = [0.0, 0.0, 10.0, 10.0], [100.0, 100.0, 200.0, 200.0]
    stray = [400.0, 300.0, 410.0, 310.0]
    found = [(0.9, small), (0.8, large), (0.7, stray)]
    matches = match([_case([small, large], found)], iou_min=0.5, side_min_px=24)
    assert matches.faces == 1
    assert matches.is_right.tolist() == [True]
