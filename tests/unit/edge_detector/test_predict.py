import argparse
import json
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from edge_detector import predict
from edge_detector.settings import PACKAGED_MODEL
from edge_detector.vision.detector import Detector
from edge_detector.vision.model import Model
from maskwatch_runtime.errors import Misconfigured


def _arguments(*words: str | Path) -> argparse.Namespace:
    parser = argparse.ArgumentParser()
    predict.add_arguments(parser, model_default=PACKAGED_MODEL, classifier_default=None)
    return parser.parse_args([str(word) for word in words])


def _picture(path: Path) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    cv2.imwrite(str(path), np.zeros((20, 30, 3), np.uint8))
    return path


def _lines(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text().splitlines()]


@pytest.fixture
def out(tmp_path: Path) -> Path:
    return tmp_path / "out.jsonl"


def test_line_is_what_the_evaluation_reads(model: Model, see: Any) -> None:
    see(cell=0, side_px=4, probabilities=(0.5, 0.4, 0.1))
    faces = Detector(model).detect(np.zeros((128, 128, 3), np.uint8))

    line = predict.line("a.jpg", faces)

    assert line == {
        "file": "a.jpg",
        "boxes": [{"xyxy": [4, 4, 12, 12], "score": 0.9, "label": "mask"}],
    }


def test_folder_gives_a_line_a_picture_named_within_it(tmp_path: Path, out: Path) -> None:
    folder = tmp_path / "pictures"
    _picture(folder / "b.png")
    _picture(folder / "deep" / "a.png")

    assert predict.run(_arguments("--images", folder, "--out", out)) == 0

    assert [line["file"] for line in _lines(out)] == ["b.png", "deep/a.png"]


def test_root_names_pictures_as_the_ground_truth_does(tmp_path: Path, out: Path) -> None:
    _picture(tmp_path / "set" / "images" / "a.png")

    predict.run(
        _arguments("--images", tmp_path / "set" / "images", "--root", tmp_path, "--out", out)
    )

    assert [line["file"] for line in _lines(out)] == ["set/images/a.png"]


def test_files_keep_the_names_they_were_given_with(tmp_path: Path, out: Path) -> None:
    first, second = _picture(tmp_path / "a.png"), _picture(tmp_path / "b.png")

    predict.run(_arguments("--images", first, second, "--out", out))

    assert [line["file"] for line in _lines(out)] == [first.as_posix(), second.as_posix()]


def test_broken_picture_is_named_and_the_others_are_written(
    tmp_path: Path, out: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    good, bad = _picture(tmp_path / "a.png"), tmp_path / "b.png"
    bad.write_bytes(b"broken")

    assert predict.run(_arguments("--images", bad, good, "--out", out)) == 0

    assert [line["file"] for line in _lines(out)] == [good.as_posix()]
    told = capsys.readouterr().err
    assert f"skipped: {bad}" in told
    assert "1 of 2 pictures read" in told


def test_nothing_readable_is_a_failure(tmp_path: Path, out: Path) -> None:
    bad = tmp_path / "b.png"
    bad.touch()

    assert predict.run(_arguments("--images", bad, "--out", out)) == 65


@pytest.mark.parametrize(
    ("words", "named"),
    [
        (("--images", "gone.png", "--out", "out.jsonl"), "gone.png does not exist"),
        (("--images", ".", "--out", "out.jsonl"), "holds no picture"),
        (("--images", "a/a.png", "--out", "nowhere/out.jsonl"), "nowhere/out.jsonl"),
        (("--images", "a/a.png", "--root", "b", "--out", "out.jsonl"), "does not lie below b"),
        (("--images", "a/a.png", "--model", "gone.json", "--out", "out.jsonl"), r"gone\.json"),
    ],
)
def test_path_that_cannot_be_used_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, words: tuple[str, ...], named: str
) -> None:
    empty = tmp_path / "empty"
    empty.mkdir()
    if words[1] == ".":
        monkeypatch.chdir(empty)
    else:
        monkeypatch.chdir(tmp_path)
        _picture(tmp_path / "a" / "a.png")

    with pytest.raises(Misconfigured, match=named):
        predict.run(_arguments(*words))


@pytest.mark.parametrize("score", ["1.5", "-0.1", "high"])
def test_score_outside_0_to_1_is_refused(score: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        _arguments("--images", "a.png", "--out", "o", "--min-score", score)

    assert "--min-score" in capsys.readouterr().err
