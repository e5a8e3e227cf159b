import hashlib
from pathlib import Path

import cv2
import numpy as np
import pytest
from devstack.clip import ClipFacts
from edge_detector.settings import PACKAGED_MODEL
from edge_detector.vision import model
from edge_detector.vision.detector import Detector
from maskwatch_proto.alert import Label

from devstack import clip


@pytest.fixture(scope="module")
def film(tmp_path_factory: pytest.TempPathFactory) -> ClipFacts:
    return clip.build(tmp_path_factory.mktemp("clip") / "made" / "demo.avi")


def test_the_film_is_what_its_facts_say(film: ClipFacts) -> None:
    video = cv2.VideoCapture(str(film.path))
    frames = 0
    while video.read()[0]:
        frames += 1

    assert frames == film.frame_count
    assert video.get(cv2.CAP_PROP_FPS) == film.fps
    size = (video.get(cv2.CAP_PROP_FRAME_WIDTH), video.get(cv2.CAP_PROP_FRAME_HEIGHT))
    assert size == film.resolution_wh
    assert 8 <= film.duration_s <= 12
    assert [path.name for path in film.path.parent.iterdir()] == ["demo.avi"]


def test_one_person_without_a_mask_and_then_one_with(film: ClipFacts) -> None:
    without, with_mask = film.appearances

    assert (without.label, with_mask.label) == ("no_mask", "mask")
    assert film.alerts_expected == 1
    assert with_mask.first_frame - without.last_frame > 2 * film.fps
    for appearance in film.appearances:
        x1, y1, x2, y2 = appearance.face_px
        assert 80 <= x2 - x1 <= 160
        assert 0 <= x1 < x2 <= film.resolution_wh[0]
        assert 0 <= y1 < y2 <= film.resolution_wh[1]


def test_the_detector_sees_in_the_demo_clip_what_was_put_there(film: ClipFacts) -> None:
    loaded = model.load(PACKAGED_MODEL)
    detector, scores = Detector(loaded), []
    expected = {
        index: (appearance.label, appearance.face_px)
        for appearance in film.appearances
        for index in appearance.standing
    }
    inside = {
        index
        for appearance in film.appearances
        for index in range(appearance.first_frame, appearance.last_frame + 1)
    }
    video = cv2.VideoCapture(str(film.path))

    for index in range(film.frame_count):
        faces = detector.detect(video.read()[1].astype(np.uint8))
        if index in expected:
            label, (x1, y1, x2, y2) = expected[index]
            assert faces.labels == (Label(label),), f"frame {index}"
            left, top, right, bottom = faces.xyxy_px[0]
            assert x1 < (left + right) / 2 < x2, f"frame {index}"
            assert y1 < (top + bottom) / 2 < y2, f"frame {index}"
            scores.append(faces.scores[0])
        elif index not in inside:
            assert len(faces) == 0, f"frame {index}"
    # Seen in every frame, and not by a hair.
    assert np.median(scores) > loaded.manifest.score_threshold + 0.05


def test_the_film_is_the_same_every_time(film: ClipFacts, tmp_path: Path) -> None:
    again = clip.build(tmp_path / "again.avi")

    assert _sha256(again.path) == _sha256(film.path)


def test_a_film_that_cannot_be_written_says_where(tmp_path: Path) -> None:
    (tmp_path / "file").touch()

    with pytest.raises(OSError, match="file"):
        clip.build(tmp_path / "file" / "demo.avi")


def _sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()
