import json
from collections.abc import Callable
from pathlib import Path

import pytest
from maskwatch_training.datasets import sets, tally
from maskwatch_training.datasets.labelled import InvalidAnnotation

WriteSet = Callable[..., Path]


def test_folder_without_annotations_is_named(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match=r"holds no \.jsonl"):
        sets.read(tmp_path)


def test_annotations_may_lie_in_train(tmp_path: Path, write_set: WriteSet) -> None:
    write_set(tmp_path, "own", {"seed": 1})
    (tmp_path / "train").mkdir()
    (tmp_path / "own.jsonl").rename(tmp_path / "train" / "own.jsonl")
    (entry,) = sets.read(tmp_path).entries
    assert entry.file == "pictures/0.png"


def test_missing_pictures_are_named_and_counted(tmp_path: Path, write_set: WriteSet) -> None:
    write_set(tmp_path, "own", {}, {}, {})
    for number in (1, 2):
        (tmp_path / "pictures" / f"{number}.png").unlink()
    with pytest.raises(FileNotFoundError, match=r"own\.jsonl: file: pictures/1\.png .*2 in all"):
        sets.read(tmp_path)


def test_picture_in_two_files_is_refused(tmp_path: Path, write_set: WriteSet) -> None:
    write_set(tmp_path, "own", {})
    write_set(tmp_path, "other", {})
    with pytest.raises(InvalidAnnotation, match=r"own\.jsonl: file: pictures/0\.png is in other"):
        sets.read(tmp_path)


@pytest.mark.parametrize(
    ("labels", "said"),
    [
        ([], ["x: holds no face"]),
        (["mask"], ["x: holds one class only (mask)"]),
        (["mask", "no_mask"], ["x: no face of class bad_mask"]),
        (["mask", "no_mask", "bad_mask"], []),
    ],
)
def test_empty_classes_are_told(
    tmp_path: Path, write_set: WriteSet, labels: list[str], said: list[str]
) -> None:
    boxes = [{"xyxy": [1, 1, 9, 9], "label": label} for label in labels]
    found = sets.read(write_set(tmp_path, "own", {"boxes": boxes}))
    assert tally.warnings("x", tally.count(found.entries)) == said
    assert tally.warnings("x", tally.count([])) == ["x: holds no picture"]
    assert json.loads(json.dumps(tally.count(found.entries).as_mapping()))["pictures"] == 1
