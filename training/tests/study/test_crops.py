import json
from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np
import pytest
from maskwatch_training.labels import LABELS
from maskwatch_training.study import crops, folders, recipe
from maskwatch_training.study.recipe import Recipe, Subset

_PLAN = recipe.read(Path(__file__).parents[2] / "recipes" / "study.yml")

WriteSet = Callable[[Path, str, Mapping[str, int]], None]
WriteClasses = Callable[[Path, Mapping[str, str], int], Path]


def _with(**changes: object) -> Recipe:
    return _PLAN.model_copy(update=changes)


def test_split_that_is_there_is_kept(split_data: Path) -> None:
    faces = crops.read(split_data, _PLAN)
    assert {part: len(members) for part, members in faces.parts.items()} == {
        "training": 36,
        "validation": 15,
        "test": 24,
    }
    assert faces.classes == LABELS
    assert [path.name for path in faces.sources] == [
        "train.jsonl",
        "validation.jsonl",
        "test.jsonl",
    ]


def test_data_sets_are_split_by_group(tmp_path: Path, write_set: WriteSet) -> None:
    write_set(tmp_path, "own", {"mask": 80, "no_mask": 80})
    (tmp_path / "train").mkdir()
    (tmp_path / "own.jsonl").rename(tmp_path / "train" / "own.jsonl")
    faces = crops.read(tmp_path, _PLAN)
    assert sum(len(members) for members in faces.parts.values()) == 160
    assert all(len(members) >= 8 for members in faces.parts.values())
    # Two pictures share a group, so every part holds an even number of them.
    assert all(len(members) % 2 == 0 for members in faces.parts.values())
    assert faces.classes == ("mask", "no_mask")
    assert faces.targets("test").max() == 1


def test_folder_per_class_is_read_under_other_peoples_names(
    tmp_path: Path, write_classes: WriteClasses
) -> None:
    names = {"with_mask": "mask", "without_mask": "no_mask"}
    faces = crops.read(write_classes(tmp_path, names, 40), _PLAN)
    assert faces.classes == ("mask", "no_mask")
    assert sum(sum(counts.values()) for counts in faces.counts().values()) == 80


def test_folders_of_parts_keep_the_split(tmp_path: Path, write_classes: WriteClasses) -> None:
    for part, count in (("train", 6), ("val", 2), ("test", 3)):
        write_classes(tmp_path / part, {"mask": "mask", "no_mask": "no_mask"}, count)
    faces = crops.read(tmp_path, _PLAN)
    assert faces.counts()["test"] == {"mask": 3, "no_mask": 3}


def test_folder_without_a_face_is_left_out_and_said(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, write_classes: WriteClasses
) -> None:
    names = {"mask": "mask", "no_mask": "no_mask", "background": "mask"}
    listed = folders.read(write_classes(tmp_path, names, 2))
    assert isinstance(listed, list)
    assert len(listed) == 4
    assert "2 pictures" in caplog.text


def test_folder_of_an_unknown_class_is_named(tmp_path: Path, write_classes: WriteClasses) -> None:
    write_classes(tmp_path, {"mask": "mask", "no_mask": "no_mask", "veil": "mask"}, 2)
    with pytest.raises(folders.UnknownClass, match="veil"):
        crops.read(tmp_path, _PLAN)


def test_one_class_only_is_refused(tmp_path: Path, write_set: WriteSet) -> None:
    for name in ("train", "validation", "test"):
        write_set(tmp_path, name, {"mask": 4})
    with pytest.raises(crops.UnusableData, match="one class only"):
        crops.read(tmp_path, _PLAN)


def test_part_without_a_class_is_named(tmp_path: Path, write_set: WriteSet) -> None:
    write_set(tmp_path, "train", {"mask": 4, "no_mask": 4})
    write_set(tmp_path, "validation", {"mask": 4, "no_mask": 4})
    write_set(tmp_path, "test", {"mask": 4})
    with pytest.raises(crops.UnusableData, match="test: no face of no_mask"):
        crops.read(tmp_path, _PLAN)


def test_half_a_split_is_refused(tmp_path: Path, write_set: WriteSet) -> None:
    write_set(tmp_path, "train", {"mask": 4, "no_mask": 4})
    with pytest.raises(crops.UnusableData, match=r"no validation\.jsonl, test\.jsonl"):
        crops.read(tmp_path, _PLAN)


@pytest.mark.parametrize("name", ["empty", "absent"])
def test_folder_without_pictures_is_refused(tmp_path: Path, name: str) -> None:
    (tmp_path / "empty").mkdir()
    with pytest.raises(crops.UnusableData, match=name):
        crops.read(tmp_path / name, _PLAN)


def test_what_is_left_out_is_counted_and_named(tmp_path: Path, write_set: WriteSet) -> None:
    for name in ("train", "validation", "test"):
        write_set(tmp_path, name, {"mask": 3, "no_mask": 3})
    (tmp_path / "pictures" / "train-mask-0.png").write_bytes(b"no picture")
    (tmp_path / "pictures" / "test-mask-1.png").unlink()
    lines = (tmp_path / "train.jsonl").read_text(encoding="utf-8").splitlines()
    entry = json.loads(lines[-1])
    entry["boxes"].append({"xyxy": [0.0, 0.0, 5.0, 30.0], "label": "mask"})
    lines[-1] = json.dumps(entry)
    (tmp_path / "train.jsonl").write_text("\n".join(lines), encoding="utf-8")
    losses = crops.read(tmp_path, _PLAN).losses
    assert (losses.unreadable, losses.too_small) == (2, 1)
    assert "train-mask-0.png" in losses.named[0]
    assert "test-mask-1.png" in losses.named[1]


def test_no_face_large_enough_is_refused(split_data: Path) -> None:
    plan = _with(crops=_PLAN.crops.model_copy(update={"least_side_px": 100.0}))
    with pytest.raises(crops.UnusableData, match="least_side_px"):
        crops.read(split_data, plan)


def test_subset_takes_classes_evenly_and_repeats(tmp_path: Path, write_set: WriteSet) -> None:
    for name in ("train", "validation", "test"):
        write_set(tmp_path, name, {"mask": 20, "no_mask": 9, "bad_mask": 2})
    plan = _with(subset=Subset(training=12, validation=6, test=6))
    faces = crops.read(tmp_path, plan)
    assert faces.counts()["training"] == {"mask": 5, "no_mask": 5, "bad_mask": 2}
    again = crops.read(tmp_path, plan)
    first, second = faces.parts["training"], again.parts["training"]
    assert all(np.array_equal(a.image, b.image) for a, b in zip(first, second, strict=True))


def test_square_has_the_longer_side_and_the_margin() -> None:
    window = crops.square([10, 20, 30, 60], 0.1)
    assert (window.left, window.top) == (-4, 16)
    assert (window.width, window.height) == (48, 48)
