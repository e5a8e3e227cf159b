from collections.abc import Callable

import numpy as np
import pytest
from edge_detector.vision import judgement
from edge_detector.vision.arrays import Floats
from edge_detector.vision.faces import Faces
from edge_detector.vision.judgement import Answers, Opinions
from edge_detector.vision.manifest import ClassifierManifest
from hypothesis import given
from hypothesis import strategies as st
from maskwatch_proto.alert import Label

Classifies = Callable[..., ClassifierManifest]
_THREE = (Label.MASK, Label.NO_MASK, Label.BAD_MASK)
_TWO = (Label.MASK, Label.NO_MASK)


def _rows(*rows: tuple[float, ...]) -> Floats:
    return np.array(rows, np.float32)


def _faces(scores: list[float], probabilities: Floats, *, side_px: float = 50) -> Faces:
    count = len(scores)
    left = np.arange(count, dtype=np.float32) * 100
    corners = np.stack([left, left, left + side_px, left + side_px + 9], axis=1)
    return Faces(
        corners.astype(np.float32),
        np.array(scores, np.float32),
        probabilities,
        _THREE,
        judgement.judge(probabilities, _THREE, sure_from=0.6),
        np.zeros(count, np.bool_),
    )


def test_weight_0_is_the_first_and_weight_1_the_second_opinion() -> None:
    first = Opinions(_THREE, _rows((0.7, 0.2, 0.1)))
    second = Opinions(_THREE, _rows((0.1, 0.3, 0.6)))

    def blended(weight: float) -> Floats:
        row: Floats = judgement.blend(first, second, weight=weight).probabilities[0]
        return row

    assert blended(0).tolist() == pytest.approx([0.7, 0.2, 0.1])
    assert blended(1).tolist() == pytest.approx([0.1, 0.3, 0.6])
    assert blended(0.5).tolist() == pytest.approx([0.4, 0.25, 0.35])


def test_class_that_only_one_knows_is_left_to_it() -> None:
    first = Opinions(_THREE, _rows((0.4, 0.1, 0.5)))
    second = Opinions(_TWO, _rows((0.2, 0.8)))

    together = judgement.blend(first, second, weight=1)
    reverse = judgement.blend(second, first, weight=0)

    assert together.classes == _THREE
    assert together.probabilities[0].tolist() == pytest.approx([0.1, 0.4, 0.5])
    assert reverse.classes == _THREE
    assert reverse.probabilities[0].tolist() == pytest.approx([0.1, 0.4, 0.5])


_unit = st.floats(0.0625, 1, width=32)


@given(
    first=st.lists(st.tuples(_unit, _unit), min_size=1, max_size=5),
    weight=st.floats(0, 1),
    data=st.data(),
)
def test_blend_is_a_distribution_whoever_knows_what(
    first: list[tuple[float, float]], weight: float, data: st.DataObject
) -> None:
    pairs = st.sampled_from([_TWO, (Label.NO_MASK, Label.BAD_MASK)])
    one, other = data.draw(pairs), data.draw(pairs)
    rows = _rows(*first)
    rows /= rows.sum(axis=1, keepdims=True)

    together = judgement.blend(Opinions(one, rows), Opinions(other, rows[:, ::-1]), weight=weight)

    assert set(together.classes) == {*one, *other}
    assert together.probabilities.min() >= -1e-6
    assert together.probabilities.sum(axis=1) == pytest.approx(1, abs=1e-5)


def test_second_look_changes_label_and_says_so(classifies: Classifies) -> None:
    faces = _faces([0.9], _rows((0.1, 0.8, 0.1)))
    answers = Answers(np.array([True]), _rows((0.9, 0.04, 0.03, 0.03)), classifies(weight=1.0))

    revised = judgement.revise(faces, answers, score_min=0.1)

    assert faces.labels == (Label.NO_MASK,)
    assert revised.labels == revised.best_labels == (Label.MASK,)
    assert revised.is_classified.tolist() == [True]
    assert revised.scores[0] == pytest.approx(0.9 * (1 - 0.5 * 0.03))


def test_veto_sinks_a_face_below_others_and_out_of_the_result(classifies: Classifies) -> None:
    faces = _faces([0.9, 0.8, 0.7], np.tile(_rows((0.1, 0.8, 0.1)), (3, 1)))
    given_rows = _rows((0.1, 0.1, 0, 0.8), (0, 1, 0, 0), (0, 0, 0, 1.0))
    answers = Answers(np.ones(3, np.bool_), given_rows, classifies(veto=1.0))

    revised = judgement.revise(faces, answers, score_min=0.1)

    assert revised.scores.tolist() == pytest.approx([0.8, 0.9 * 0.2])
    assert revised.xyxy_px[:, 0].tolist() == [100, 0]
    assert len(judgement.revise(faces, answers, score_min=0.0)) == 3


def test_face_that_was_not_asked_about_keeps_score_and_label(classifies: Classifies) -> None:
    faces = _faces([0.9, 0.8], _rows((0.1, 0.8, 0.1), (0.5, 0.4, 0.1)))
    answers = Answers(
        np.array([True, False]), _rows((0.0, 0.0, 0.0, 1.0)), classifies(veto=1.0, weight=1.0)
    )

    revised = judgement.revise(faces, answers, score_min=0.05)

    assert revised.scores.tolist() == pytest.approx([0.8])
    assert revised.labels == (Label.UNSURE,)
    assert revised.is_classified.tolist() == [False]
    assert revised.probabilities[0].tolist() == pytest.approx([0.5, 0.4, 0.1])


def test_unlikely_class_of_both_is_unsure(classifies: Classifies) -> None:
    faces = _faces([0.9], _rows((0.1, 0.9, 0.0)))
    answers = Answers(np.array([True]), _rows((0.9, 0.1, 0.0, 0.0)), classifies(weight=0.5))

    revised = judgement.revise(faces, answers, score_min=0.05)

    assert revised.labels == (Label.UNSURE,)


def test_certain_no_face_without_a_veto_leaves_the_score(classifies: Classifies) -> None:
    faces = _faces([0.9], _rows((0.1, 0.8, 0.1)))
    answers = Answers(np.array([True]), _rows((0.0, 0.0, 0.0, 1.0)), classifies(veto=0.0))

    revised = judgement.revise(faces, answers, score_min=0.05)

    assert revised.scores.tolist() == pytest.approx([0.9])
    assert np.isfinite(revised.probabilities).all()


def test_small_faces_are_told_by_their_shorter_side() -> None:
    faces = _faces([0.9, 0.8], np.tile(_rows((0.1, 0.8, 0.1)), (2, 1)), side_px=24)

    assert judgement.are_large(faces.xyxy_px, least_side_px=24).tolist() == [True, True]
    assert judgement.are_large(faces.xyxy_px, least_side_px=24.1).tolist() == [False, False]
    assert judgement.are_large(np.zeros((0, 4), np.float32), least_side_px=1).tolist() == []
