from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from maskwatch_training.datasets import intake, labelled, photos, pictures
from maskwatch_training.datasets.importers.foreign import (
    ForeignBox,
    ForeignPicture,
    Found,
    InvalidSource,
)
from maskwatch_training.datasets.labelled import XYXY
from PIL import Image as Pillow

Draw = Callable[..., Path]


def _box(*xyxy: float, name: str = "with_mask", where: str = "a.xml: object[0]") -> ForeignBox:
    left, top, right, bottom = xyxy
    return ForeignBox((left, top, right, bottom), name, where)


def _bring(source: Path, *described: ForeignPicture, **wishes: Any) -> intake.Intake:
    out = source.parent / "out"
    out.mkdir()
    order = intake.Order(source=source, name="own", **wishes)
    return intake.bring(Found(described, (), Counter(crowds=2)), order, out)


def _one(root: Path, draw: Draw, *boxes: ForeignBox, **fields: Any) -> ForeignPicture:
    return ForeignPicture(draw(root / "in" / "deep" / "a.png", 1), "a.xml", boxes, **fields)


def test_set_is_read_by_the_trainer(tmp_path: Path, draw: Draw) -> None:
    picture = _one(tmp_path, draw, _box(10, 5, 30, 40), _box(1, 2, 9, 9, name="no-mask"))
    brought = _bring(tmp_path / "in", picture, licence="CC0-1.0")
    (photo,) = photos.read(tmp_path / "out", ["own"])
    assert photo.boxes_px.tolist() == [[10, 5, 30, 40], [1, 2, 9, 9]]
    assert photo.labels.tolist() == [0, 1]
    assert (photo.licence, photo.group, photo.kind) == ("CC0-1.0", "own/deep/a.png", "scene")
    assert photos.decode(photo).shape == (60, 80, 3)
    assert brought.counts == {"crowds": 2}


def test_shares_become_px(tmp_path: Path, draw: Draw) -> None:
    picture = _one(tmp_path, draw, _box(0.25, 0.5, 0.5, 1.0), unit="share")
    brought = _bring(tmp_path / "in", picture)
    assert brought.entries[0].boxes[0].xyxy == (20, 30, 40, 60)


@pytest.mark.parametrize(
    ("whole", "boxes", "kind"),
    [("with_mask", [(0, 0, 80, 60)], "crop"), ("background", [], "scene")],
)
def test_whole_picture_is_one_face_or_none(
    tmp_path: Path, draw: Draw, whole: str, boxes: list[XYXY], kind: str
) -> None:
    (entry,) = _bring(tmp_path / "in", _one(tmp_path, draw, whole=whole)).entries
    assert [box.xyxy for box in entry.boxes] == boxes
    assert entry.kind == kind


def test_unknown_classes_are_named_once_with_count(tmp_path: Path, draw: Draw) -> None:
    boxes = [_box(1, 1, 9, 9, name="veil", where=f"a.xml: object[{i}]") for i in range(3)]
    with pytest.raises(InvalidSource) as caught:
        _bring(
            tmp_path / "in",
            _one(tmp_path, draw, *boxes),
        )
    assert "1 faults" in str(caught.value)
    assert "a.xml: object[0]: class 'veil' is unknown (3 times)" in str(caught.value)
    assert not (tmp_path / "out" / "own.jsonl").exists()


def test_ignored_classes_are_counted(tmp_path: Path, draw: Draw) -> None:
    picture = _one(tmp_path, draw, _box(1, 1, 9, 9, name="veil"), _box(1, 1, 9, 9))
    brought = _bring(tmp_path / "in", picture, labels={"veil": "ignore"})
    assert len(brought.entries[0].boxes) == 1
    assert brought.counts["labels ignored as asked: veil"] == 1


def test_nothing_left_is_an_error(tmp_path: Path, draw: Draw) -> None:
    picture = _one(tmp_path, draw, whole="veil")
    with pytest.raises(InvalidSource, match="nothing is left to import"):
        _bring(tmp_path / "in", picture, labels={"veil": "ignore"})


def test_box_of_no_face_is_refused(tmp_path: Path, draw: Draw) -> None:
    picture = _one(tmp_path, draw, _box(1, 1, 9, 9, name="background"))
    with pytest.raises(InvalidSource, match=r"object\[0\]: 'background' is no face"):
        _bring(tmp_path / "in", picture)


@pytest.mark.parametrize(
    ("box", "said"),
    [
        ((70, 5, 90, 20), r"a\.xml: object\[0\]: .*outside the picture of 80x60 px; --clip"),
        ((-3, 5, 9, 20), "outside the picture"),
        ((5, 5, 5, 20), r"a\.xml: object\[0\]: \[5, 5, 5, 20\] has no area; --skip empty"),
        ((9, 5, 5, 20), "has no area"),
    ],
)
def test_box_that_cannot_be_used_is_named(tmp_path: Path, draw: Draw, box: XYXY, said: str) -> None:
    with pytest.raises(InvalidSource, match=said):
        _bring(tmp_path / "in", _one(tmp_path, draw, _box(*box)))


def test_boxes_are_cut_and_left_out_as_asked(tmp_path: Path, draw: Draw) -> None:
    boxes = (_box(70, 5, 90, 20), _box(90, 5, 99, 20), _box(5, 5, 5, 9), _box(-0.3, 0, 9, 60.4))
    brought = _bring(
        tmp_path / "in", _one(tmp_path, draw, *boxes), clip=True, skip=frozenset({"empty"})
    )
    assert [box.xyxy for box in brought.entries[0].boxes] == [(70, 5, 80, 20), (0, 0, 9, 60)]
    assert brought.counts["boxes cut at the picture's edge"] == 1
    assert brought.counts["boxes wholly outside left out"] == 1
    assert brought.counts["boxes without area left out"] == 1


def test_broken_picture_is_named_or_counted(tmp_path: Path, draw: Draw) -> None:
    good = _one(tmp_path, draw)
    bad = draw(tmp_path / "in" / "b.png", 2)
    bad.write_bytes(bad.read_bytes()[:90])
    broken = ForeignPicture(bad, "b.xml")
    with pytest.raises(InvalidSource, match=r"b\.png: .*--skip broken"):
        _bring(tmp_path / "in", good, broken)
    (tmp_path / "out").rename(tmp_path / "first")
    brought = _bring(tmp_path / "in", good, broken, skip=frozenset({"broken"}))
    assert len(brought.entries) == 1
    assert brought.counts["broken pictures left out"] == 1


def test_size_that_is_not_the_pictures_is_named(tmp_path: Path, draw: Draw) -> None:
    with pytest.raises(InvalidSource, match=r"a\.xml: size: says 60x80, the picture has 80x60"):
        _bring(tmp_path / "in", _one(tmp_path, draw, declared_wh=(60, 80)))


def test_every_fault_is_shown_up_to_ten(tmp_path: Path, draw: Draw) -> None:
    described = [
        ForeignPicture(draw(tmp_path / "in" / f"{i}.png", i), f"{i}.xml", (_box(5, 5, 5, 5),))
        for i in range(12)
    ]
    with pytest.raises(InvalidSource, match=r"(?s)12 faults, nothing was written.*and 2 more"):
        _bring(tmp_path / "in", *described)


@pytest.mark.parametrize(
    ("declared", "box"),
    [(None, (40, 10, 55, 30)), ((60, 80), (40, 10, 55, 30)), ((80, 60), (10, 5, 30, 20))],
)
def test_boxes_follow_exif(
    tmp_path: Path, draw: Draw, declared: tuple[int, int] | None, box: XYXY
) -> None:
    path = draw(tmp_path / "in" / "a.jpg", 1)
    exif = Pillow.Exif()
    exif[0x0112] = 6
    with Pillow.open(path) as stored:
        stored.save(path, exif=exif)
    picture = ForeignPicture(path, "a.xml", (_box(*box),), declared_wh=declared)
    (entry,) = (brought := _bring(tmp_path / "in", picture)).entries
    assert (entry.width, entry.height) == (60, 80)
    assert entry.boxes[0].xyxy == (40, 10, 55, 30)
    assert pictures.measure(tmp_path / "out" / entry.file).orientation == 1
    assert brought.counts["pictures turned as EXIF says"] == 1


def test_misspelt_label_is_told(tmp_path: Path, draw: Draw) -> None:
    found = Found([_one(tmp_path, draw, _box(1, 1, 9, 9, name="veil"))], (), classes=("hat",))
    order = intake.Order(tmp_path, "own", labels={"veil": "ignore", "hat": "ignore", "viel": "x"})
    assert intake.unused_labels(found, order) == ["viel"]


@given(st.lists(st.tuples(*[st.floats(-200, 200)] * 4), max_size=3))
def test_whatever_the_boxes_what_is_written_can_be_read(
    tmp_path_factory: pytest.TempPathFactory, boxes: list[XYXY]
) -> None:
    root = tmp_path_factory.mktemp("set")
    Pillow.new("RGB", (80, 60)).save(root / "a.png")
    (root / "out").mkdir()
    picture = ForeignPicture(root / "a.png", "a.xml", tuple(_box(*box) for box in boxes))
    order = intake.Order(root, "own", clip=True, skip=frozenset({"empty"}))
    brought = intake.bring(Found([picture], ()), order, root / "out")
    (entry,) = labelled.read(root / "out" / "own.jsonl")
    left_out = sum(times for what, times in brought.counts.items() if what.endswith("left out"))
    assert len(entry.boxes) + left_out == len(boxes)
