from collections.abc import Callable

import numpy as np
import pytest
from edge_detector.vision.arrays import Picture
from edge_detector.vision.detector import Detector
from edge_detector.vision.judgement import judge
from edge_detector.vision.model import Model
from hypothesis import given
from hypothesis import strategies as st
from maskwatch_proto.alert import Label

_CLASSES = (Label.MASK, Label.NO_MASK, Label.BAD_MASK)
See = Callable[..., None]


def _frame(height: int = 128, width: int = 128) -> Picture:
    return np.zeros((height, width, 3), np.uint8)


def test_frame_without_a_face_gives_none(model: Model) -> None:
    faces = Detector(model).detect(_frame())

    assert len(faces) == 0
    assert faces.xyxy_px.shape == (0, 4)
    assert faces.probabilities.shape == (0, 3)
    assert faces.labels == faces.best_labels == ()


def test_face_is_given_in_px_of_the_frame(model: Model, see: See) -> None:
    see(cell=0, side_px=4)  # centre (4, 4) in the input, which is half the frame's size

    faces = Detector(model).detect(_frame())

    assert faces.xyxy_px.tolist() == [[4, 4, 12, 12]]
    assert faces.xyxy_px.dtype == np.float32
    assert faces.scores.tolist() == pytest.approx([0.9])
    assert faces.labels == (Label.NO_MASK,)


def test_face_that_reaches_beyond_the_frame_is_cut_at_its_edge(model: Model, see: See) -> None:
    see(cell=0, side_px=40)

    faces = Detector(model).detect(_frame(height=20, width=128))

    assert faces.xyxy_px.tolist() == [[0, 0, 48, 20]]


def test_face_in_the_grey_beside_the_frame_is_none(model: Model, see: See) -> None:
    see(cell=63, side_px=8)  # the lower right corner, where a wide frame leaves grey

    assert len(Detector(model).detect(_frame(height=40, width=128))) == 0


def test_score_decides_what_is_a_face(model: Model, see: See) -> None:
    see(score=0.3)

    assert len(Detector(model).detect(_frame())) == 0
    assert len(Detector(model, score_min=0.05).detect(_frame())) == 1


def test_unlikely_class_is_unsure_but_its_best_guess_is_known(model: Model, see: See) -> None:
    see(probabilities=(0.5, 0.45, 0.05))

    faces = Detector(model).detect(_frame())

    assert faces.labels == (Label.UNSURE,)
    assert faces.best_labels == (Label.MASK,)


def test_faces_cannot_be_written(model: Model, see: See) -> None:
    see()
    faces = Detector(model).detect(_frame())

    for array in (faces.xyxy_px, faces.scores, faces.probabilities):
        with pytest.raises(ValueError, match="read-only"):
            array[0] = 0


@given(rows=st.lists(st.tuples(*[st.floats(0, 1, width=32)] * 3), max_size=8))
def test_judgement_is_the_likeliest_class_or_unsure(
    rows: list[tuple[float, float, float]],
) -> None:
    probabilities = np.array(rows, np.float32).reshape(-1, 3)

    labels = judge(probabilities, _CLASSES, sure_from=0.6)

    assert len(labels) == len(rows)
    for row, label in zip(probabilities.tolist(), labels, strict=True):
        sure = max(row) >= np.float32(0.6)
        assert label is (_CLASSES[row.index(max(row))] if sure else Label.UNSURE)
