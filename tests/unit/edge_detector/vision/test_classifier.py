from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from edge_detector.vision.classifier import Classifier
from edge_detector.vision.detector import Detector
from edge_detector.vision.manifest import ClassifierManifest
from edge_detector.vision.model import Model
from maskwatch_runtime.errors import Misconfigured

Classifies = Callable[..., ClassifierManifest]
_SIDE = 32
_BOXES = np.array([[0, 0, 30, 40], [50, 50, 90, 90]], np.float32)


def _classifier(interpreter: Any, manifest: ClassifierManifest) -> Classifier:
    return Classifier(interpreter, manifest, file=Path("fake.tflite"), runtime="fake 1")


def _answer(*values: float) -> list[npt.NDArray[Any]]:
    return [np.array([values], np.float32)]


@pytest.fixture
def fake(interpreter_type: Any) -> Any:
    return interpreter_type(
        _answer(0.1, 0.7, 0.1, 0.1), input_shape=(1, _SIDE, _SIDE, 3), dtype=np.float32
    )


def test_each_face_is_judged_on_its_own_cut(fake: Any, classifies: Classifies) -> None:
    frame = np.zeros((100, 100, 3), np.uint8)
    frame[:50, :50] = (10, 20, 30)
    frame[50:, 50:] = (40, 50, 60)

    answers = _classifier(fake, classifies(margin=0.0)).judge(frame, _BOXES)

    assert answers.tolist() == [pytest.approx([0.1, 0.7, 0.1, 0.1])] * 2
    _, first, second = fake.seen  # the very first is the check at the start
    assert first[0, 16, 16].tolist() == [30, 20, 10]
    assert (second[0] == np.array([60, 50, 40])).all()


def test_no_face_is_no_invocation(fake: Any, classifies: Classifies) -> None:
    classifier = _classifier(fake, classifies())

    answers = classifier.judge(np.zeros((9, 9, 3), np.uint8), np.zeros((0, 4), np.float32))

    assert answers.shape == (0, 4)
    assert len(fake.seen) == 1


def test_rounding_of_probabilities_is_made_good(fake: Any, classifies: Classifies) -> None:
    classifier = _classifier(fake, classifies())
    fake.answers = _answer(0.1, 0.7, 0.1, 0.08)

    answers = classifier.judge(np.zeros((99, 99, 3), np.uint8), _BOXES)

    assert answers.sum(axis=1) == pytest.approx(1)


def test_integers_without_a_meaning_are_refused(interpreter_type: Any, classifies: Any) -> None:
    interpreter = interpreter_type(
        _answer(0, 1, 0, 0), input_shape=(1, _SIDE, _SIDE, 3), dtype=np.int8
    )
    content = classifies().model_dump(mode="json")
    content["input"]["dtype"] = "int8"

    with pytest.raises(Misconfigured, match=r"fake\.tflite does not say what the integers"):
        _classifier(interpreter, ClassifierManifest.model_validate(content))


def test_detector_asks_about_large_faces_only(
    model: Model, see: Callable[..., None], fake: Any, classifies: Classifies
) -> None:
    see(side_px=12)  # 24 px in the frame, of which 20 lie within it
    frame = np.zeros((128, 128, 3), np.uint8)

    def detected(least_side_px: float) -> Any:
        second = _classifier(fake, classifies(least_side_px=least_side_px, veto=0.0))
        return Detector(model, classifier=second).detect(frame)

    assert detected(20).is_classified.tolist() == [True]
    assert detected(21).is_classified.tolist() == [False]


def test_face_that_is_vetoed_below_the_threshold_is_none(
    model: Model, see: Callable[..., None], fake: Any, classifies: Classifies
) -> None:
    see(score=0.9)
    second = _classifier(fake, classifies(veto=1.0))
    frame = np.zeros((128, 128, 3), np.uint8)
    assert len(Detector(model, classifier=second).detect(frame)) == 1
    fake.answers = _answer(0.1, 0.2, 0.1, 0.6)

    assert len(Detector(model, classifier=second).detect(frame)) == 0
    (score,) = Detector(model, classifier=second, score_min=0.05).detect(frame).scores
    assert score == pytest.approx(0.9 * 0.4)
