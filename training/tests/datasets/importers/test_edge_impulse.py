import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from maskwatch_training.datasets import importers
from maskwatch_training.datasets.importers import edge_impulse
from maskwatch_training.datasets.importers.foreign import UNANNOTATED, InvalidSource

Draw = Callable[..., Path]
BOX = {"label": "mask", "x": 10, "y": 5, "width": 20, "height": 30}


def _file(name: str, **fields: Any) -> dict[str, Any]:
    return {"path": name, "category": "training", "label": {"type": "unlabeled"}} | fields


def _info(root: Path, *files: Any, version: Any = 1) -> Path:
    (root / "info.labels").write_text(json.dumps({"version": version, "files": list(files)}))
    return root


def test_info_labels_are_read(tmp_path: Path, draw: Draw) -> None:
    for number, name in enumerate(("training/a.png", "testing/b.png", "c.png", "d.png", "e.png")):
        draw(tmp_path / name, number)
    root = _info(
        tmp_path,
        _file("training/a.png", boundingBoxes=[BOX]),
        _file("testing/b.png", label={"type": "label", "label": "no_mask"}),
        _file("c.png", boundingBoxes=[]),
        _file("d.png"),
    )
    found = importers.read("edge-impulse", root)
    boxed, whole, empty = found.pictures
    assert [(box.name, box.xyxy) for box in boxed.boxes] == [("mask", (10, 5, 30, 35))]
    assert (whole.whole, whole.boxes) == ("no_mask", ())
    assert (empty.whole, empty.boxes) == (None, ())
    assert found.left_out == {edge_impulse.UNLABELLED: 1, UNANNOTATED: 1}


def test_older_form_is_read_in_every_part(tmp_path: Path, draw: Draw) -> None:
    for number, part in enumerate(("testing", "training")):
        draw(tmp_path / part / "a.jpg.23im33f2.png", number)
        content = {"version": 1, "type": "bounding-box-labels"}
        boxes = {"boundingBoxes": {"a.jpg.23im33f2.png": [BOX] * number}}
        (tmp_path / part / "bounding_boxes.labels").write_text(json.dumps(content | boxes))
    found = importers.read("edge-impulse", tmp_path)
    assert [len(picture.boxes) for picture in found.pictures] == [0, 1]
    assert len(found.annotation_files) == 2


@pytest.mark.parametrize(
    ("file", "said"),
    [
        (3, r"files\[0\]: is no JSON object"),
        (_file("b.png"), r"files\[0\]\.path: there is no picture b\.png"),
        ({"category": "training"}, r"files\[0\]\.path: None is no text"),
        (_file("a.png", label=[]), r"files\[0\]\.label: is no JSON object"),
        (_file("a.png", label={"type": "multi-label"}), r"files\[0\]\.label\.type: 'multi-label'"),
        (_file("a.png", label={"type": "label"}), r"files\[0\]\.label\.label: None is no text"),
        (_file("a.png", boundingBoxes={}), r"files\[0\]\.boundingBoxes: is no JSON array"),
        (
            _file("a.png", boundingBoxes=[BOX, BOX | {"width": "w"}]),
            r"files\[0\]\.boundingBoxes\[1\]\.width: 'w' is no number",
        ),
        (
            _file("a.png", boundingBoxes=[BOX | {"label": " "}]),
            r"files\[0\]\.boundingBoxes\[0\]\.label",
        ),
    ],
)
def test_fault_names_file_and_field(tmp_path: Path, draw: Draw, file: Any, said: str) -> None:
    draw(tmp_path / "a.png", 1)
    with pytest.raises(InvalidSource, match=rf"info\.labels: {said}"):
        importers.read("edge-impulse", _info(tmp_path, file))


def test_other_version_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InvalidSource, match=r"info\.labels: version: 2, 1 is known"):
        importers.read("edge-impulse", _info(tmp_path, version=2))


def test_picture_described_twice_is_refused(tmp_path: Path, draw: Draw) -> None:
    draw(tmp_path / "a.png", 1)
    with pytest.raises(InvalidSource, match=r"files\[1\]: info\.labels: files\[0\] has it too"):
        importers.read("edge-impulse", _info(tmp_path, _file("a.png"), _file("a.png")))
