import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from maskwatch_training.datasets import importers
from maskwatch_training.datasets.importers import coco
from maskwatch_training.datasets.importers.foreign import UNANNOTATED, InvalidSource

Draw = Callable[..., Path]
IMAGE = {"id": 7, "file_name": "a.png", "width": 80, "height": 60}
BOX = {"id": 1, "image_id": 7, "category_id": 3, "bbox": [10, 5, 20, 30]}
CATEGORY = {"id": 3, "name": "with_mask"}


def _content(**sections: Any) -> dict[str, Any]:
    return {"images": [IMAGE], "annotations": [BOX], "categories": [CATEGORY]} | sections


def _set(root: Path, draw: Draw, content: Any, *, home: str = "images") -> Path:
    draw(root / home / "a.png", 1)
    (root / "annotations").mkdir(exist_ok=True)
    (root / "annotations" / "instances_train.json").write_text(json.dumps(content))
    (root / "package.json").write_text("{}")
    return root


@pytest.mark.parametrize("home", ["images", "train", "annotations", "."])
def test_boxes_become_corners(tmp_path: Path, draw: Draw, home: str) -> None:
    found = importers.read("coco", _set(tmp_path, draw, _content(), home=home))
    (picture,) = found.pictures
    assert [(box.name, box.xyxy) for box in picture.boxes] == [("with_mask", (10, 5, 30, 35))]
    assert picture.declared_wh == (80, 60)
    assert [path.name for path in found.annotation_files] == ["instances_train.json"]


def test_crowds_and_pictures_without_entry_are_counted(tmp_path: Path, draw: Draw) -> None:
    root = _set(tmp_path, draw, _content(annotations=[BOX | {"iscrowd": 1}]))
    draw(root / "images" / "spare.png", 2)
    found = importers.read("coco", root)
    assert found.left_out == {coco.CROWDS: 1, UNANNOTATED: 1}
    assert found.pictures[0].boxes == ()


def test_image_without_size_is_read(tmp_path: Path, draw: Draw) -> None:
    content = _content(images=[{"id": 7, "file_name": "a.png"}])
    (picture,) = importers.read("coco", _set(tmp_path, draw, content)).pictures
    assert picture.declared_wh is None


@pytest.mark.parametrize(
    ("sections", "said"),
    [
        ({"annotations": [BOX | {"bbox": [1, 2, 3]}]}, r"annotations\[0\]\.bbox: 3 values"),
        ({"annotations": [BOX | {"bbox": None}]}, r"annotations\[0\]\.bbox: is no JSON array"),
        (
            {"annotations": [BOX | {"bbox": [1, 2, None, 4]}]},
            r"annotations\[0\]\.bbox\[2\]: None is no number",
        ),
        (
            {"annotations": [BOX | {"bbox": [1, 2, True, 4]}]},
            r"annotations\[0\]\.bbox\[2\]: True is no number",
        ),
        ({"annotations": [BOX, BOX | {"image_id": 9}]}, r"annotations\[1\]\.image_id: 9 is no"),
        ({"annotations": [BOX | {"category_id": 4}]}, r"annotations\[0\]\.category_id: 4 is no"),
        ({"annotations": [3]}, r"annotations\[0\]: is no JSON object"),
        ({"annotations": {}}, r"annotations: is no JSON array"),
        ({"categories": [{"id": 3}]}, r"categories\[0\]\.name: None is no text"),
        ({"categories": [{"id": "3", "name": "m"}]}, r"categories\[0\]\.id: '3' is no whole"),
        ({"images": [IMAGE | {"file_name": "b.png"}]}, r"images\[0\]\.file_name: .* b\.png"),
        ({"images": [IMAGE, IMAGE]}, r"images\[1\]\.id: 7 stands there twice"),
        ({"images": [IMAGE | {"width": "wide"}]}, r"images\[0\]\.width: 'wide' is no number"),
    ],
)
def test_fault_names_file_and_field(
    tmp_path: Path, draw: Draw, sections: dict[str, Any], said: str
) -> None:
    with pytest.raises(InvalidSource, match=rf"annotations/instances_train\.json: {said}"):
        importers.read("coco", _set(tmp_path, draw, _content(**sections)))


def test_damaged_json_is_named(tmp_path: Path) -> None:
    (tmp_path / "a.json").write_text('{"images": [')
    with pytest.raises(InvalidSource, match=r"a\.json: is no JSON: Expecting value"):
        importers.read("coco", tmp_path)
