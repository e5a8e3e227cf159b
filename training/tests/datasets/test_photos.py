from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from maskwatch_training.datasets import photos as data
from maskwatch_training.datasets.labelled import InvalidAnnotation


@pytest.fixture
def folder(tmp_path: Path, write_lines: Callable[..., Path]) -> Callable[..., Path]:
    def write(*entries: dict[str, Any]) -> Path:
        write_lines(tmp_path / "train" / "own.jsonl", *entries)
        return tmp_path

    return write


def _entry(name: str, group: int, *boxes: list[float], label: str = "mask") -> dict[str, Any]:
    return {
        "file": name,
        "width": 20,
        "height": 10,
        "boxes": [{"xyxy": box, "label": label} for box in boxes],
        "dataset": "own",
        "licence": "CC0",
        "group": group,
    }


def test_photo_without_faces_is_read(folder: Callable[..., Path]) -> None:
    (photo,) = data.read(folder(_entry("a.jpg", 1)), ["own"])
    assert photo.boxes_px.shape == (0, 4)


@pytest.mark.parametrize(
    ("entry", "named"),
    [
        (_entry("a.jpg", 1, [0, 0, 5, 5], label="veil"), "own.jsonl:1"),
        (_entry("a.jpg", 1, [5, 5, 5, 9]), "no area"),
        ({"file": "a.jpg", "boxes": None}, "boxes"),
    ],
)
def test_line_that_cannot_be_used_is_named(
    folder: Callable[..., Path], entry: dict[str, Any], named: str
) -> None:
    with pytest.raises(InvalidAnnotation, match=named):
        data.read(folder(entry), ["own"])


def test_group_stays_on_one_side_and_the_split_repeats(folder: Callable[..., Path]) -> None:
    entries = [_entry(f"{i}.jpg", i // 3, [1, 1, 6, 6]) for i in range(300)]
    photos = data.read(folder(*entries), ["own"])
    training, validation = data.split(photos, share=0.2, faceless_share=0.5, seed=7)
    assert {p.group for p in training}.isdisjoint({p.group for p in validation})
    assert len(training) + len(validation) == 300
    assert 20 < len(validation) < 110
    again, _ = data.split(photos[::-1], share=0.2, faceless_share=0.5, seed=7)
    assert {p.file for p in again} == {p.file for p in training}


def test_picture_of_another_size_is_refused(tmp_path: Path, folder: Callable[..., Path]) -> None:
    (photo,) = data.read(folder(_entry("a.png", 1)), ["own"])
    with pytest.raises(data.PhotoUnreadable, match=r"a\.png"):
        data.decode(photo)
    cv2.imwrite(str(tmp_path / "a.png"), np.zeros((5, 5, 3), np.uint8))
    with pytest.raises(data.PhotoUnreadable, match="5x5"):
        data.decode(photo)


def test_missing_and_broken_pictures_are_told_apart(
    tmp_path: Path, folder: Callable[..., Path]
) -> None:
    (photo,) = data.read(folder(_entry("a.png", 1)), ["own"])
    with pytest.raises(data.PhotoUnreadable, match=r"own: file: a\.png is missing"):
        data.decode(photo)
    (tmp_path / "a.png").write_bytes(b"no picture")
    with pytest.raises(data.PhotoUnreadable, match=r"own: file: a\.png is no picture"):
        data.decode(photo)


def test_set_may_lie_in_the_folder_itself(tmp_path: Path, folder: Callable[..., Path]) -> None:
    folder(_entry("a.png", 1))
    (tmp_path / "train" / "own.jsonl").rename(tmp_path / "own.jsonl")
    assert len(data.read(tmp_path, ["own"])) == 1


def test_set_that_is_missing_is_named(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match=r"neither train/own\.jsonl nor own\.jsonl"):
        data.read(tmp_path, ["own"])


def test_decoded_picture_is_rgb(tmp_path: Path, folder: Callable[..., Path]) -> None:
    (photo,) = data.read(folder(_entry("a.png", 1)), ["own"])
    blue_in_bgr = np.zeros((10, 20, 3), np.uint8)
    blue_in_bgr[..., 0] = 255
    cv2.imwrite(str(tmp_path / "a.png"), blue_in_bgr)
    assert data.decode(photo)[0, 0].tolist() == [0, 0, 255]
