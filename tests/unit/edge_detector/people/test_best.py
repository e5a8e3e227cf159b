import cv2
import numpy as np
from edge_detector.people import best
from edge_detector.vision.arrays import Floats, Picture

_FACE = np.array((200, 150, 320, 270), np.float32)


def _frame(*, sigma: float = 0.0) -> Picture:
    noise = np.random.default_rng(1).integers(0, 255, (480, 640, 3), np.uint8)
    return noise if not sigma else np.asarray(cv2.GaussianBlur(noise, (0, 0), sigma), np.uint8)


def _quality(face: Floats = _FACE, *, sigma: float = 0.0, score: float = 0.9) -> float:
    return best.quality(_frame(sigma=sigma), face, score=score)


def test_larger_sharper_surer_and_whole_faces_are_better() -> None:
    small = np.array((200, 150, 230, 180), np.float32)
    whole = _quality()

    assert _quality(small, sigma=2) < _quality(sigma=2)
    assert _quality(sigma=8) < _quality(sigma=3) < whole
    assert _quality(score=0.5) < whole
    for cut in ((0, 150, 120, 270), (200, 0, 320, 120), (520, 150, 640, 270), (200, 360, 320, 480)):
        assert _quality(np.array(cut, np.float32)) < 0.4 * whole


def test_quality_is_between_0_and_1() -> None:
    assert 0 < _quality(score=1.0) <= 1


def test_empty_box_has_no_sharpness() -> None:
    for box in ((10, 10, 10, 20), (-40, 10, -20, 30), (700, 500, 800, 600)):
        assert best.sharpness(_frame(), np.array(box, np.float32)) == 0
