"""Every packaged model in both runtimes, on real pictures."""

from pathlib import Path

import numpy as np
import pytest
from edge_detector.settings import MODELS, PACKAGED_MODEL
from edge_detector.vision import classifier, model
from edge_detector.vision import manifest as manifests
from edge_detector.vision.arrays import Picture
from edge_detector.vision.boxes import iou
from edge_detector.vision.detector import Detector
from edge_detector.vision.inference import Runtime
from maskwatch_proto.alert import Label

# Of scores and probabilities. Float files run the same kernels in other versions; int8 ones have
# kernels of their own in tflite-runtime, which round otherwise (measured: .009).
_TOLERANCE = 0.02
# Of boxes; cells below the threshold vote as well, so that no box hangs on which side of it a score
# is rounded to.
_IOU_MIN = 0.99
_RUNTIMES: list[Runtime] = ["litert", "tflite-runtime"]
_DETECTORS = manifests.found_in(MODELS, task="face_mask_detector")
_CLASSIFIERS = manifests.found_in(MODELS, task="mask_classifier")


@pytest.fixture(scope="module", params=_RUNTIMES)
def detector(request: pytest.FixtureRequest) -> Detector:
    return Detector(model.load(PACKAGED_MODEL, runtime=request.param))


def test_first_choice_is_litert() -> None:
    assert model.load(PACKAGED_MODEL).runtime.startswith("litert ")


def test_each_runtime_says_what_it_is() -> None:
    for runtime in _RUNTIMES:
        name, version = model.load(PACKAGED_MODEL, runtime=runtime).runtime.split()
        assert name == runtime
        assert version[0].isdigit()


@pytest.mark.parametrize("path", _DETECTORS, ids=lambda path: path.stem)
@pytest.mark.parametrize("name", ["astronaut", "hopper"])
def test_runtimes_agree_within_the_tolerance(
    name: str, path: Path, request: pytest.FixtureRequest
) -> None:
    picture: Picture = request.getfixturevalue(name)
    litert, tflite = (
        Detector(model.load(path, runtime=runtime)).detect(picture) for runtime in _RUNTIMES
    )

    assert len(litert) == len(tflite) > 0
    assert np.abs(litert.scores - tflite.scores).max() <= _TOLERANCE
    assert np.abs(litert.probabilities - tflite.probabilities).max() <= _TOLERANCE
    overlaps = [
        float(iou(one, other[None])[0])
        for one, other in zip(litert.xyxy_px, tflite.xyxy_px, strict=True)
    ]
    assert min(overlaps) >= _IOU_MIN
    assert litert.best_labels == tflite.best_labels


@pytest.mark.parametrize("path", _CLASSIFIERS, ids=lambda path: path.stem)
def test_runtimes_agree_on_the_faces_of_a_classifier(path: Path, astronaut: Picture) -> None:
    boxes = np.array([[181, 72, 264, 172], [10, 300, 90, 380]], np.float32)
    litert, tflite = (
        classifier.load(path, runtime=runtime).judge(astronaut, boxes) for runtime in _RUNTIMES
    )

    assert np.abs(litert - tflite).max() <= _TOLERANCE


def test_threads_do_not_change_the_answer(astronaut: Picture) -> None:
    one, two = (
        Detector(model.load(PACKAGED_MODEL, threads=threads)).detect(astronaut)
        for threads in (1, 2)
    )

    assert np.allclose(one.scores, two.scores, atol=1e-4)
    assert np.allclose(one.xyxy_px, two.xyxy_px, atol=0.1)


@pytest.mark.parametrize(
    ("name", "face_px"),
    [("astronaut", (181, 72, 264, 172)), ("hopper", (170, 124, 347, 332))],
)
def test_portrait_is_one_face_without_a_mask(
    detector: Detector,
    name: str,
    face_px: tuple[float, ...],
    request: pytest.FixtureRequest,
) -> None:
    faces = detector.detect(request.getfixturevalue(name))

    assert len(faces) == 1
    assert faces.best_labels == (Label.NO_MASK,)
    assert iou(np.array(face_px, np.float32), faces.xyxy_px)[0] > 0.6


@pytest.mark.parametrize("scale", [0.5, 1.0, 2.0])
def test_face_is_found_at_the_same_place_in_a_frame_of_another_size(
    detector: Detector, astronaut: Picture, scale: float
) -> None:
    grown = np.kron(astronaut, np.ones((2, 2, 1), np.uint8)) if scale == 2 else astronaut
    frame = grown[::2, ::2] if scale == 0.5 else grown

    faces = detector.detect(np.ascontiguousarray(frame))

    best = faces.xyxy_px[:1] / np.float32(scale)
    assert iou(np.array((181, 72, 264, 172), np.float32), best)[0] > 0.6


def test_frame_without_anything_has_no_face(detector: Detector) -> None:
    assert len(detector.detect(np.full((480, 640, 3), 127, np.uint8))) == 0
