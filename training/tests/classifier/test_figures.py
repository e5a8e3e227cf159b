from typing import Any

import numpy as np
import pytest
from maskwatch_training.arrays import Floats
from maskwatch_training.classifier import blend, evaluate
from maskwatch_training.classifier.blend import Mix, Opinion
from maskwatch_training.detector.decode import Faces
from maskwatch_training.detector.evaluate import Judged
from maskwatch_training.views import whole

_NAMES = ("mask", "no_mask", "bad_mask", "no_face")


def _rows(*rows: tuple[float, ...]) -> Floats:
    return np.array(rows, np.float32)


def test_accuracy_is_of_the_likeliest_face_class_and_no_face_is_told_apart() -> None:
    said = _rows((0.3, 0.1, 0.1, 0.5), (0.1, 0.8, 0.1, 0), (0.2, 0.1, 0.7, 0), (0.1, 0.1, 0.8, 0))
    found = evaluate.judge(said, np.array([0, 0, 2, 1]), _NAMES)
    assert found["mask_accuracy"] == pytest.approx(1 / 3, abs=1e-4)
    assert found["called_no_face"] == 0.25
    assert found["bad_mask_recall"] == 1.0
    assert found["bad_mask_precision"] == 0.5
    assert found["confusion"]["mask->no_mask"] == 1
    assert sum(found["confusion"].values()) == 4


def test_figures_of_nothing_are_none() -> None:
    found = evaluate.judge(np.zeros((0, 4), np.float32), np.zeros(0, np.int64), _NAMES)
    assert found["faces"] == 0
    assert found["mask_accuracy"] is None
    assert found["bad_mask_precision"] is None


def test_small_faces_are_left_out_of_the_figures_of_larger_ones() -> None:
    said = _rows((1, 0, 0, 0), (1, 0, 0, 0))
    sides = np.array([20, 50], np.float32)
    found = evaluate.face_figures(said, np.array([1, 0]), sides, _NAMES)
    assert found["at_least_0_px"]["mask_accuracy"] == 0.5
    assert found["at_least_24_px"]["mask_accuracy"] == 1.0
    assert found["at_least_48_px"]["faces"] == 1


def test_mean_recall_weighs_classes_alike() -> None:
    said = _rows((1, 0, 0, 0), (1, 0, 0, 0), (1, 0, 0, 0), (0, 1, 0, 0), (1, 0, 0, 0))
    found = evaluate.all_classes(said, np.array([0, 0, 0, 1, 1]), _NAMES)
    assert found["accuracy"] == 0.8
    assert found["mean_recall"] == 0.75
    assert found["recall"]["no_face"] is None


def _opinion() -> Opinion:
    """A photo with one face of 40 px, rightly found, and a small false alarm that scores more."""
    image = np.zeros((640, 640, 3), np.uint8)
    shown = whole(image, _rows((100, 100, 140, 150)), np.array([0]))
    found = Faces(
        _rows((400, 400, 410, 412), (100, 100, 140, 150)),
        np.array([0.9, 0.8], np.float32),
        _rows((0, 1, 0), (0.4, 0.6, 0)),
    )
    classes = _rows((0.5, 0.5, 0), (0.9, 0.1, 0))
    return Opinion(Judged("a", shown, found), classes, np.array([1.0, 0.1], np.float32))


def test_without_weight_and_veto_the_detector_decides_alone() -> None:
    opinion = _opinion()
    mixed = blend.mix(opinion, Mix(0.0, 0.0, 0.0)).found
    assert (mixed.scores == opinion.judged.found.scores).all()
    assert (mixed.classes == opinion.judged.found.classes).all()


def test_weight_moves_the_class_and_veto_sinks_what_is_no_face() -> None:
    mixed = blend.mix(_opinion(), Mix(0.5, 0.75, 0.0)).found
    assert mixed.scores == pytest.approx([0.8 * (1 - 0.075), 0.9 * 0.25])
    assert mixed.boxes_px[0, 0] == 100
    assert mixed.classes[0] == pytest.approx([0.65, 0.35, 0])


def test_face_below_the_least_side_keeps_the_detectors_judgement() -> None:
    mixed = blend.mix(_opinion(), Mix(1.0, 1.0, 20.0)).found
    assert mixed.scores[0] == pytest.approx(0.9)
    assert mixed.classes[0] == pytest.approx([0, 1, 0])
    assert mixed.classes[1] == pytest.approx([0.9, 0.1, 0])


def test_sweep_tells_every_way_once() -> None:
    rows: list[dict[str, Any]] = blend.sweep([_opinion()], score_min=0.4)
    ways = [(row["weight"], row["veto"], row["least_side_px"]) for row in rows]
    assert len(set(ways)) == len(ways) == 12
    first = rows[0]["faces"]["at_least_0_px"]
    assert first["mask_accuracy"] == 0.0
    assert first["precision"] == 0.5
    vetoed = next(row for row in rows if row["veto"] == 1.0)["faces"]["at_least_0_px"]
    assert vetoed["precision"] == 1.0
    assert vetoed["mask_accuracy"] == 1.0
