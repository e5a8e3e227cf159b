from collections.abc import Callable
from pathlib import Path

import pytest
from maskwatch_training.datasets import importers
from maskwatch_training.datasets.importers.foreign import UNANNOTATED, InvalidSource

GOOD = """<annotation><filename>a.png</filename>
<size><width>80</width><height>60</height><depth>3</depth></size>
<object><name>with_mask</name>
<bndbox><xmin>10</xmin><ymin>5.5</ymin><xmax>30</xmax><ymax>40</ymax></bndbox></object>
<object><name>without_mask</name>
<bndbox><xmin>1</xmin><ymin>2</ymin><xmax>3</xmax><ymax>4</ymax></bndbox></object></annotation>"""


def _set(root: Path, draw: Callable[..., Path], text: str = GOOD) -> Path:
    draw(root / "images" / "a.png", 1)
    (root / "annotations").mkdir()
    (root / "annotations" / "a.xml").write_text(text, encoding="utf-8")
    return root


def test_boxes_and_size_are_read(tmp_path: Path, draw: Callable[..., Path]) -> None:
    found = importers.read("voc", _set(tmp_path, draw))
    (picture,) = found.pictures
    assert [(box.name, box.xyxy) for box in picture.boxes] == [
        ("with_mask", (10, 5.5, 30, 40)),
        ("without_mask", (1, 2, 3, 4)),
    ]
    assert picture.path == tmp_path / "images" / "a.png"
    assert picture.declared_wh == (80, 60)
    assert found.left_out == {}


def test_picture_is_found_by_stem_and_beside(tmp_path: Path, draw: Callable[..., Path]) -> None:
    draw(tmp_path / "a.png", 1)
    draw(tmp_path / "spare.png", 2)
    text = GOOD.replace("a.png", r"C:\shots\a.jpg").replace("<width>80", "<width>0")
    (tmp_path / "a.xml").write_text(text)
    found = importers.read("voc", tmp_path)
    assert found.pictures[0].path == tmp_path / "a.png"
    assert found.pictures[0].declared_wh is None
    assert found.left_out == {UNANNOTATED: 1}


def test_picture_without_size_and_object_is_read(tmp_path: Path, draw: Callable[..., Path]) -> None:
    draw(tmp_path / "a.png", 1)
    (tmp_path / "a.xml").write_text("<annotation/>")
    (picture,) = importers.read("voc", tmp_path).pictures
    assert (picture.boxes, picture.declared_wh) == ((), None)


ENTITIES = '<!DOCTYPE a [<!ENTITY x SYSTEM "file:///etc/passwd">]><annotation>&x;</annotation>'


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("<annotation>", r"annotations/a\.xml: is no XML"),
        ("", r"a\.xml: is no XML"),
        ("<svg/>", r"a\.xml: <svg> is no Pascal VOC"),
        (ENTITIES, r"a\.xml: declares a document type or entities"),
        (GOOD.replace("a.png", "b.png"), r"a\.xml: filename: there is no picture b\.png"),
        (GOOD.replace("<xmin>1</xmin>", ""), r"object\[1\]\.bndbox\.xmin: None is no number"),
        (GOOD.replace(">40<", ">inf<"), r"object\[0\]\.bndbox\.ymax: 'inf' is no number"),
        (GOOD.replace("<name>without_mask</name>", ""), r"object\[1\]\.name: None is no text"),
        (GOOD.replace(">80<", "><"), r"size\.width: '' is no number|size\.width: None"),
    ],
)
def test_fault_names_file_and_field(
    tmp_path: Path, draw: Callable[..., Path], text: str, said: str
) -> None:
    with pytest.raises(InvalidSource, match=said):
        importers.read("voc", _set(tmp_path, draw, text))


@pytest.mark.parametrize("form", importers.FORMS)
def test_empty_folder_is_named(tmp_path: Path, form: str) -> None:
    with pytest.raises(InvalidSource, match=str(tmp_path)):
        importers.read(form, tmp_path)


def test_folder_that_is_missing_is_named(tmp_path: Path) -> None:
    with pytest.raises(NotADirectoryError, match=r"--source .*nowhere: is no folder"):
        importers.read("voc", tmp_path / "nowhere")
