from collections import Counter
from pathlib import Path

import cv2
import pytest
from maskwatch_training.capture import rehearsal
from maskwatch_training.capture.faces import Finder


def test_film_shows_every_scene_in_three_ways_and_empty() -> None:
    told = [(number, kind) for number, kind, _ in rehearsal.frames()]
    assert Counter(kind for _, kind in told) == {
        "no_mask": 20,
        "mask": 20,
        "bad_mask": 20,
        None: 10,
    }
    assert [number for number, _ in told] == sorted(number for number, _ in told)


def test_detector_finds_the_face_of_the_film_and_nothing_in_the_room(finder: Finder) -> None:
    some = [(kind, frame) for number, kind, frame in rehearsal.frames() if number in {0, 5}]
    assert [len(finder.find(frame)) for _, frame in some] == [kind is not None for kind, _ in some]


def test_film_is_written_whole(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "new" / "film.avi"
    assert rehearsal.main([str(path)]) == 0
    assert int(cv2.VideoCapture(str(path)).get(cv2.CAP_PROP_FRAME_COUNT)) == 70
    assert [file.name for file in path.parent.iterdir()] == ["film.avi"]
    assert "70 frames" in capsys.readouterr().out


def test_film_that_cannot_be_written_is_one_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "file").write_text("in the way")
    assert rehearsal.main([str(tmp_path / "file" / "film.avi")]) == 1
    assert capsys.readouterr().err.startswith("no film: ")
