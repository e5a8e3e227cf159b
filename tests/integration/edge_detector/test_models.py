"""The small check of every packaged model, on pictures that may be shown; `make eval` is the large.

Portraits are in the public domain and come with PyPI packages; masks are drawn on.
"""

from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt
import pytest
import skimage.data
from devstack.portraits import Person
from edge_detector.settings import MODELS, PACKAGED_CLASSIFIER, PACKAGED_MODEL
from edge_detector.vision import classifier as classifiers
from edge_detector.vision import manifest as manifests
from edge_detector.vision import model as models
from edge_detector.vision.arrays import Floats, Picture
from edge_detector.vision.boxes import iou
from edge_detector.vision.detector import Detector
from maskwatch_proto.alert import Label

from devstack import portraits

_DETECTORS = manifests.found_in(MODELS, task="face_mask_detector")
_CLASSIFIERS = manifests.found_in(MODELS, task="mask_classifier")
Pixels = npt.NDArray[np.float64]
# The annotators' idea of where a face ends differs, and so does every model's.
_IOU_MIN = 0.5
_PEOPLE = {"bare": portraits.eileen_collins, "masked": portraits.grace_hopper}
# Of scores and probabilities, between a float file and its int8 twin.
_INT8_TOLERANCE = 0.1


def _detectors() -> list[tuple[str, Path, Path | None]]:
    seconds = sorted({None, PACKAGED_CLASSIFIER}, key=str)
    return [
        (f"{path.stem}, {second.stem if second else 'alone'}", path, second)
        for path in _DETECTORS
        for second in seconds
    ]


@pytest.fixture(scope="module", params=_detectors(), ids=lambda one: one[0])
def detector(request: pytest.FixtureRequest) -> Detector:
    _, path, second = request.param
    classifier = None if second is None else classifiers.load(second)
    return Detector(models.load(path), classifier=classifier)


@pytest.fixture
def input_px(request: pytest.FixtureRequest) -> int:
    _, path, _ = request.node.callspec.params["detector"]
    return int(manifests.read(path).input.size_px)


def _scene(person: Person, *, scale: float) -> tuple[Picture, Floats]:
    """Return the person before a grey wall, 640 x 480, and the face in it."""
    small = person.scaled(scale)
    height, width = small.picture.shape[:2]
    wall = np.full((480, 640, 3), 150, np.uint8)
    left, top = (640 - width) // 2, max(0, 480 - height)
    seen = min(height, 480)
    target = wall[top : top + seen, left : left + width]
    mixed = target * (1 - small.alpha[:seen]) + small.picture[:seen] * small.alpha[:seen]
    wall[top : top + seen, left : left + width] = mixed.astype(np.uint8)
    return wall, np.array(small.face_px, np.float32) + np.array([left, top] * 2, np.float32)


def test_the_packaged_model_is_among_those_checked() -> None:
    assert PACKAGED_MODEL in _DETECTORS
    assert PACKAGED_CLASSIFIER is None or PACKAGED_CLASSIFIER in _CLASSIFIERS


@pytest.mark.parametrize("scale", [0.3, 0.5, 0.8])
@pytest.mark.parametrize("who", sorted(_PEOPLE))
def test_portrait_is_found_and_judged_rightly(
    detector: Detector, input_px: int, who: str, scale: float
) -> None:
    person = _PEOPLE[who]()
    # As many px of the model's input for the smaller one.
    scene, face_px = _scene(person, scale=scale * 320 / input_px)

    faces = detector.detect(scene)

    assert len(faces) == 1
    assert faces.best_labels == (Label(person.label),)
    assert iou(face_px, faces.xyxy_px)[0] > _IOU_MIN


@pytest.mark.parametrize("name", ["astronaut", "hopper"])
def test_whole_portrait_is_one_face_without_a_mask(
    detector: Detector, name: str, request: pytest.FixtureRequest
) -> None:
    faces = detector.detect(request.getfixturevalue(name))

    assert faces.best_labels == (Label.NO_MASK,)


def _stripes() -> Pixels:
    return np.asarray(127 + 120 * np.sin(np.arange(480) / 6)[:, None] * np.ones(640))


def _checks() -> Pixels:
    rows, columns = np.indices((480, 640)) // 40
    return np.asarray((rows + columns) % 2 * 255.0)


def _noise() -> Pixels:
    return np.random.default_rng(1).uniform(0, 255, (480, 640))


def _rings() -> Pixels:
    rows, columns = np.indices((480, 640))
    return np.asarray(127 + 120 * np.cos(np.hypot(rows - 240, columns - 320) / 9))


def _carried(name: str) -> Callable[[], Pixels]:
    return lambda: np.asarray(getattr(skimage.data, name)(), np.float64)


_FACELESS: dict[str, Callable[[], Pixels]] = {
    "stripes": _stripes,
    "checks": _checks,
    "noise": _noise,
    "rings": _rings,
    **{name: _carried(name) for name in ("brick", "grass", "gravel", "page", "rocket")},
}


@pytest.mark.parametrize("name", sorted(_FACELESS))
def test_pattern_or_texture_has_no_face(detector: Detector, name: str) -> None:
    picture = _FACELESS[name]().clip(0, 255).astype(np.uint8)
    bgr = cv2.cvtColor(picture, cv2.COLOR_GRAY2BGR) if picture.ndim == 2 else picture[..., ::-1]

    assert len(detector.detect(np.ascontiguousarray(bgr))) == 0


@pytest.mark.parametrize(
    "path", [path for path in _DETECTORS if path.stem.endswith("-int8")], ids=lambda path: path.stem
)
@pytest.mark.parametrize("who", sorted(_PEOPLE))
def test_int8_twin_agrees_with_the_float_file(path: Path, who: str) -> None:
    scene, _ = _scene(_PEOPLE[who](), scale=0.6)
    twin = path.with_name(path.name.replace("-int8", ""))

    first, second = (Detector(models.load(one)).detect(scene) for one in (twin, path))

    assert first.best_labels == second.best_labels
    assert np.abs(first.scores - second.scores).max() <= _INT8_TOLERANCE
    assert np.abs(first.probabilities - second.probabilities).max() <= _INT8_TOLERANCE
    assert iou(first.xyxy_px[0], second.xyxy_px)[0] > 0.85


@pytest.mark.parametrize("path", _CLASSIFIERS, ids=lambda path: path.stem)
@pytest.mark.parametrize("who", sorted(_PEOPLE))
def test_classifier_judges_the_annotated_face_rightly(path: Path, who: str) -> None:
    person = _PEOPLE[who]()
    scene, face_px = _scene(person, scale=0.6)
    loaded = classifiers.load(path)

    (answer,) = loaded.judge(scene, face_px[None])

    assert loaded.manifest.labels[int(answer.argmax())] == person.label
