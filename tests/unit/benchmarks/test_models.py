import math
from pathlib import Path

import numpy as np
import pytest

from benchmarks.models import aizoo, check, cuts, figures, pictures, promises, table
from benchmarks.models.__main__ import peers
from benchmarks.models.cuts import CutFigures
from benchmarks.models.figures import DoorFigures, Figures, Judged
from benchmarks.models.pictures import DataMissing
from benchmarks.models.subject import BAD_MASK, MASK, NO_JUDGEMENT, NO_MASK, Found
from benchmarks.models.table import Row

Box = tuple[float, float, float, float]
_BIG: Box = (100, 100, 200, 200)
_OTHER: Box = (300, 100, 400, 200)


def _found(*finds: tuple[Box, float, int]) -> Found:
    return Found(
        np.array([box for box, _, _ in finds], np.float32).reshape(-1, 4),
        np.array([score for _, score, _ in finds], np.float32),
        np.array([label for _, _, label in finds], np.int64),
        np.full(len(finds), 0.9, np.float32),
    )


def _judged(truth: list[tuple[Box, int]], found: Found, *, name: str = "a") -> Judged:
    return Judged(
        name,
        (640, 480),
        np.array([box for box, _ in truth], np.float32).reshape(-1, 4),
        np.array([label for _, label in truth], np.int64),
        found,
    )


def test_perfect_finds_are_perfect_figures() -> None:
    one = _judged([(_BIG, MASK), (_OTHER, BAD_MASK)], _found((_BIG, 0.9, 0), (_OTHER, 0.8, 2)))
    empty = _judged([], _found(), name="b")

    made = figures.of_photos([one, empty], score_min=0.5)

    assert made.ap50 == made.ap40 == (1, 1, 1)
    assert (made.recall, made.precision, made.alarms, made.faceless) == (1, 1, 0, 1)
    assert made.mask_right == (1, 1, 1)
    assert (made.bad_recall, made.bad_precision) == (1, 1)
    assert made.calibration_error == pytest.approx(0.1)


def test_threshold_decides_what_is_found_and_what_is_an_alarm() -> None:
    one = _judged([(_BIG, MASK), (_OTHER, NO_MASK)], _found((_BIG, 0.9, 0), (_OTHER, 0.4, 1)))
    alarm = _judged([], _found((_BIG, 0.6, 1)), name="b")

    low, high = (figures.of_photos([one, alarm], score_min=score) for score in (0.3, 0.7))

    assert (low.recall, low.alarms) == (1, 1)
    assert low.precision == pytest.approx(2 / 3)
    assert (high.recall, high.precision, high.alarms) == (0.5, 1, 0)
    assert low.ap50 == high.ap50
    assert low.ap50[0] == pytest.approx(0.5 + 0.5 * 2 / 3)


def test_judgements_follow_their_finds_through_matching() -> None:
    # The finds are in the order of their score, the faces in another; a stray one lies between.
    stray: Box = (500, 300, 560, 360)
    first = _judged([(_BIG, NO_MASK)], _found((stray, 0.9, 2), (_BIG, 0.8, 1)))
    second = _judged(
        [(_BIG, MASK), (_OTHER, NO_MASK)], _found((_OTHER, 0.95, 0), (_BIG, 0.7, 0)), name="b"
    )

    made = figures.of_photos([first, second], score_min=0.5)

    assert made.mask_right[0] == pytest.approx(2 / 3)
    assert math.isnan(made.bad_precision)


def test_detector_that_does_not_judge_has_no_figures_of_judging() -> None:
    one = _judged([(_BIG, MASK), (_OTHER, BAD_MASK)], _found((_BIG, 0.9, NO_JUDGEMENT)))

    made = figures.of_photos([one], score_min=0.5)

    judging = (*made.mask_right, made.bad_recall, made.bad_precision, made.calibration_error)
    assert all(math.isnan(value) for value in judging)
    assert math.isnan(figures.of_crops([one]))


def test_tight_crop_without_a_find_is_wrong() -> None:
    right = _judged([(_BIG, MASK)], _found((_BIG, 0.2, 0), (_OTHER, 0.1, 1)))
    wrong = _judged([(_BIG, NO_MASK)], _found((_BIG, 0.9, 0)))
    none = _judged([(_BIG, NO_MASK)], _found())

    assert figures.of_crops([right, wrong, none]) == pytest.approx(1 / 3)


def test_calibration_error_is_the_gap_between_certainty_and_being_right() -> None:
    right = np.array([True, True, False, False])

    assert figures.calibration_error(right, np.full(4, 0.5, np.float32)) == pytest.approx(0)
    assert figures.calibration_error(right, np.full(4, 0.9, np.float32)) == pytest.approx(0.4)
    assert figures.calibration_error(right, np.ones(4, np.float32)) == pytest.approx(0.5)
    assert math.isnan(figures.calibration_error(right[:0], np.zeros(0, np.float32)))


def test_aizoo_has_5972_anchors_of_which_zero_distances_are_the_boxes() -> None:
    anchors = aizoo.anchors()

    assert anchors.shape == (5972, 4)
    assert anchors[0].tolist() == pytest.approx([0.5 / 33, 0.5 / 33, 0.04, 0.04])
    assert anchors[2].tolist()[2:] == pytest.approx([0.04 * 0.62**0.5, 0.04 / 0.62**0.5])
    assert anchors[-1].tolist()[:2] == pytest.approx([2.5 / 3, 2.5 / 3])
    cells = np.array([0, 5971])
    boxes = aizoo.decode(np.zeros((5972, 4), np.float32), anchors, cells)
    assert boxes[:, 2:] - boxes[:, :2] == pytest.approx(anchors[cells, 2:], abs=1e-6)


def _row(name: str, *, ap: float = 0.975) -> Row:
    photos = Figures((ap,) * 3, (ap,) * 3, 0.9, 0.9, 1, 40, (0.99,) * 3, 0.7, 0.6, 0.04)
    return Row(name, 0.4, photos, DoorFigures(0.95, 0.9, 0.9), 0.98)


def test_promise_that_is_not_kept_is_told() -> None:
    bars = promises.detector(_row("m"), promises.DEFAULT)
    worse = promises.detector(_row("m", ap=0.925), promises.DEFAULT)

    assert all(bar.ok for bar in bars)
    missed = [bar.bar for bar in worse if not bar.ok]
    assert missed == ["AP50, >= 48 px", "AP40, >= 24 px", "AP40, >= 48 px"]
    assert all(bar.ok for bar in promises.judgement(_row("m")))


def test_speed_is_promised_beside_the_peer() -> None:
    kept = promises.speed("m", promises.DEFAULT, {"m": 7.0, table.PEER: 10.0})
    missed = promises.speed("m", promises.DEFAULT, {"m": 8.0, table.PEER: 10.0})

    assert kept.value == pytest.approx(0.7)
    assert (kept.ok, missed.ok) == (True, False)


def _cut(name: str, *, right: float, size_bytes: int, labels: tuple[str, ...]) -> CutFigures:
    return CutFigures(name, labels, right, (right,) * 2, 0.8, 0.8, 0.9, 0.02, 0.4, size_bytes)


def test_classifier_for_microcontrollers_is_held_to_size_and_quality() -> None:
    labels = ("mask", "no_mask", "no_face")
    measured = [
        _cut("a", right=0.95, size_bytes=400_000, labels=labels),
        _cut("a-int8", right=0.89, size_bytes=230_000, labels=labels),
        _cut("b-int8", right=0.91, size_bytes=200_000, labels=(*labels, "bad_mask")),
    ]

    bars = cuts.bars(measured)

    assert sorted(bars) == ["a-int8", "b-int8"]
    assert [(bar.bar, bar.ok) for bar in bars["a-int8"]] == [
        ("cuts judged right", False),
        ("size", False),
        ("right lost beside float", False),
    ]
    assert [(bar.bar, bar.ok) for bar in bars["b-int8"]] == [("a face", True)]


def test_int8_is_compared_with_its_float_twin_only() -> None:
    rows = [_row("a", ap=0.95), _row("a-int8", ap=0.92), _row("b-int8", ap=0.5)]

    (bar,) = promises.quantised(rows)

    assert (bar.bar, bar.ok) == ("a: AP50 lost", False)
    assert bar.value == pytest.approx(0.03)


def test_table_has_a_line_a_model_and_leaves_out_what_does_not_apply() -> None:
    nothing = Figures((0.5,) * 3, (0.5,) * 3, 0.9, 0.9, 1, 40, (math.nan,) * 3, *(math.nan,) * 3)
    peer = Row(table.PEER, 0.5, nothing, DoorFigures(0.5, 0.5, math.nan), math.nan)

    head, first, second = table.text([_row("m"), peer], {"m": 5.0, table.PEER: 10.0}).splitlines()

    assert "AP50" in head
    assert first.startswith("m ")
    assert first.rstrip().endswith("5.0     0.50")
    assert "- / -" in second


def test_prediction_is_a_line_that_the_other_program_reads() -> None:
    line = check.prediction("a.jpg", _found((_BIG, 0.5, NO_MASK), (_OTHER, 0.25, NO_JUDGEMENT)))

    assert line == {
        "file": "a.jpg",
        "boxes": [
            {"xyxy": [100, 100, 200, 200], "score": 0.5, "label": "no_mask"},
            {"xyxy": [300, 100, 400, 200], "score": 0.25, "label": "face"},
        ],
    }


def test_missing_folder_is_told_with_the_variable(tmp_path: Path) -> None:
    with pytest.raises(DataMissing, match=f"MASKWATCH_TRAINING_DATA: {tmp_path}"):
        pictures.held_back(tmp_path, most=None)
    with pytest.raises(DataMissing, match=r"MASKWATCH_PEERS: .*aizoo.* is missing"):
        peers(tmp_path)
