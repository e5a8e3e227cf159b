from collections.abc import Callable
from pathlib import Path

import pytest
from maskwatch_training.datasets import importers
from maskwatch_training.datasets.importers import yolo
from maskwatch_training.datasets.importers.foreign import InvalidSource

Draw = Callable[..., Path]


def _set(root: Path, draw: Draw, *, lines: str, names: str = "names: [mask, no-mask]") -> Path:
    draw(root / "train" / "images" / "a.png", 1)
    draw(root / "train" / "images" / "b.png", 2)
    (root / "train" / "labels").mkdir(parents=True)
    (root / "train" / "labels" / "a.txt").write_text(lines)
    (root / "data.yaml").write_text(names)
    (root / "README.roboflow.txt").write_text("exported")
    return root


def test_boxes_are_shares_and_missing_files_are_counted(tmp_path: Path, draw: Draw) -> None:
    found = importers.read("yolo", _set(tmp_path, draw, lines="1 0.5 0.5 0.25 0.5\n\n"))
    with_face, without = found.pictures
    (box,) = with_face.boxes
    assert (box.name, box.xyxy, with_face.unit) == ("no-mask", (0.375, 0.25, 0.625, 0.75), "share")
    assert without.boxes == ()
    assert found.left_out == {yolo.WITHOUT_LABELS: 1}
    assert found.classes == ["mask", "no-mask"]


def test_names_may_be_a_map(tmp_path: Path, draw: Draw) -> None:
    names = "names:\n  3: mask\n"
    found = importers.read("yolo", _set(tmp_path, draw, lines="3 .5 .5 .2 .2", names=names))
    assert found.pictures[0].boxes[0].name == "mask"


def test_names_may_stand_beside_the_labels(tmp_path: Path, draw: Draw) -> None:
    draw(tmp_path / "a.png", 1)
    (tmp_path / "a.txt").write_text("1 .5 .5 .2 .2")
    (tmp_path / "classes.txt").write_text("mask\nwithout_mask\n")
    found = importers.read("yolo", tmp_path)
    assert found.pictures[0].boxes[0].name == "without_mask"


@pytest.mark.parametrize(
    ("lines", "said"),
    [
        ("0 .5 .5 .2", r"train/labels/a\.txt:1: 4 values; a box has 5"),
        ("0 .5 .5 .2 .2\n2 .5 .5 .2 .2", r"a\.txt:2: class: 2 has no name, there are 2"),
        ("0.5 .5 .5 .2 .2", r"a\.txt:1: class: 0\.5 has no name"),
        ("0 .5 nan .2 .2", r"a\.txt:1: y: 'nan' is no number"),
        ("mask .5 .5 .2 .2", r"a\.txt:1: class: 'mask' is no number"),
    ],
)
def test_line_that_cannot_be_used_is_named(
    tmp_path: Path, draw: Draw, lines: str, said: str
) -> None:
    with pytest.raises(InvalidSource, match=said):
        importers.read("yolo", _set(tmp_path, draw, lines=lines))


@pytest.mark.parametrize("names", ["nc: 2", "[mask]", "names: mask", "names: {a: mask}", "{"])
def test_class_names_that_cannot_be_used_are_named(tmp_path: Path, draw: Draw, names: str) -> None:
    with pytest.raises(InvalidSource, match=r"data\.yaml: "):
        importers.read("yolo", _set(tmp_path, draw, lines="", names=names))


def test_label_file_without_picture_is_refused(tmp_path: Path, draw: Draw) -> None:
    root = _set(tmp_path, draw, lines="")
    (root / "train" / "labels" / "lost.txt").write_text("0 .5 .5 .2 .2")
    with pytest.raises(InvalidSource, match=r"labels/lost\.txt: there is no picture"):
        importers.read("yolo", root)


def test_set_without_any_label_file_is_refused(tmp_path: Path, draw: Draw) -> None:
    root = _set(tmp_path, draw, lines="")
    (root / "train" / "labels" / "a.txt").unlink()
    with pytest.raises(InvalidSource, match="holds no label file"):
        importers.read("yolo", root)


def test_line_separator_inside_a_name_ends_no_line(tmp_path: Path, draw: Draw) -> None:
    draw(tmp_path / "a.png", 1)
    (tmp_path / "a.txt").write_text("1 .5 .5 .2 .2\r\n", encoding="utf-8")
    (tmp_path / "classes.txt").write_text("with\u2028mask\r\nno_mask\r\n", encoding="utf-8")
    found = importers.read("yolo", tmp_path)
    assert found.classes == ["with\u2028mask", "no_mask"]
    assert found.pictures[0].boxes[0].name == "no_mask"
