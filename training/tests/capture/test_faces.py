from pathlib import Path

import numpy as np
import pytest
from maskwatch_training.arrays import Image
from maskwatch_training.capture.faces import Finder, NoDetector


def test_face_and_both_eyes_of_a_portrait_are_found(finder: Finder, portrait: Image) -> None:
    (face,) = finder.find(portrait)
    assert face.box == pytest.approx((167, 133, 347, 327), abs=25)
    left, right = face.eyes
    # Where her pupils are, to a few px.
    assert left == pytest.approx((223, 195), abs=15)
    assert right == pytest.approx((305, 190), abs=15)


def test_eyes_are_looked_for_in_a_drawn_box(finder: Finder, portrait: Image) -> None:
    assert len(finder.eyes(portrait, (165, 130, 350, 330))) == 2
    assert finder.eyes(portrait, (165, 130, 180, 150)) == ()
    assert finder.eyes(portrait, (600, 700, 900, 900)) == ()


def test_nothing_is_found_in_an_empty_picture(finder: Finder) -> None:
    assert finder.find(np.full((120, 160, 3), 90, np.uint8)) == ()


def test_model_that_is_missing_or_none_is_named(tmp_path: Path) -> None:
    with pytest.raises(NoDetector, match=r"--model: .*absent\.tflite is no file"):
        Finder(tmp_path / "absent.tflite", score_min=0.4)
    (tmp_path / "words.tflite").write_text("no model")
    with pytest.raises(NoDetector, match=r"words\.tflite is no face detector"):
        Finder(tmp_path / "words.tflite", score_min=0.4)
