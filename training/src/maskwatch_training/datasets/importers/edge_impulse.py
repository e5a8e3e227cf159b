"""Edge Impulse: `info.labels` as its studio exports it, or the older `bounding_boxes.labels`.

Both are JSON; boxes are corner and size in px. A file of `info.labels` with a label and no boxes is
a picture of one class as a whole; one that is `unlabeled` is left out, counted.
Source: https://docs.edgeimpulse.com/tools/specifications/data-annotation/ei-labels
"""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any

from maskwatch_training.datasets.importers import foreign
from maskwatch_training.datasets.importers.foreign import (
    ForeignBox,
    ForeignPicture,
    Found,
    InvalidSource,
)

UNLABELLED = "files without a label (type unlabeled)"
_VERSION = 1
_BOXES_FILE = "bounding_boxes.labels"
_INFO_FILE = "info.labels"


def read(folder: Path) -> Found:
    """Read the label files of the folder, or else those below it.

    Raises:
        InvalidSource: There is none, it is of another version, a field is missing or wrong, a
            picture is missing, two files describe the same picture.
    """
    files = _label_files(folder)
    found: dict[Path, ForeignPicture] = {}
    left_out: Counter[str] = Counter()
    for path in files:
        where = path.relative_to(folder).as_posix()
        content = foreign.read_json(path, where)
        if content.get("version") != _VERSION:
            raise InvalidSource(
                f"{where}: version: {content.get('version')!r}, {_VERSION} is known"
            )
        read_one = _info if path.name == _INFO_FILE else _bounding_boxes
        for picture in read_one(content, path, where):
            if picture.path in found:
                raise InvalidSource(f"{picture.where}: {found[picture.path].where} has it too")
            found[picture.path] = picture
    kept = [picture for picture in found.values() if not _is_unlabelled(picture)]
    if len(kept) < len(found):
        left_out[UNLABELLED] = len(found) - len(kept)
    return Found(kept, files, left_out + foreign.unannotated(folder, found.values()))


def _label_files(folder: Path) -> list[Path]:
    for name in (_INFO_FILE, _BOXES_FILE):
        if (folder / name).is_file():
            return [folder / name]
        below = sorted(folder.rglob(name))
        if below:
            return below
    raise InvalidSource(f"{folder}: holds neither {_INFO_FILE} nor {_BOXES_FILE}")


def _is_unlabelled(picture: ForeignPicture) -> bool:
    return picture.whole == ""


def _info(content: dict[str, Any], path: Path, where: str) -> list[ForeignPicture]:
    found = []
    for index, item in enumerate(foreign.sequence(content.get("files"), f"{where}: files")):
        here = f"{where}: files[{index}]"
        entry = foreign.mapping(item, here)
        name = foreign.text(entry.get("path"), f"{here}.path")
        picture = foreign.first_file([path.parent / name], f"{here}.path")
        # null stands for "no boxes were drawn" as a missing field does
        listed = entry.get("boundingBoxes")
        boxes = _boxes(listed, f"{here}.boundingBoxes") if listed is not None else ()
        whole = None if listed else _whole(entry, here, has_boxes=listed is not None)
        found.append(ForeignPicture(picture, here, boxes, whole=whole))
    return found


def _whole(entry: dict[str, Any], where: str, *, has_boxes: bool) -> str | None:
    """Return the class of the whole picture, "" for none, nothing where boxes are the labels."""
    label = foreign.mapping(entry.get("label", {"type": "unlabeled"}), f"{where}.label")
    kind = label.get("type")
    if kind == "label":
        return foreign.text(label.get("label"), f"{where}.label.label")
    if kind == "unlabeled":
        return None if has_boxes else ""
    raise InvalidSource(f"{where}.label.type: {kind!r} is neither label nor unlabeled")


def _bounding_boxes(content: dict[str, Any], path: Path, where: str) -> list[ForeignPicture]:
    listed = foreign.mapping(content.get("boundingBoxes"), f"{where}: boundingBoxes")
    found = []
    for name, boxes in listed.items():
        here = f"{where}: boundingBoxes[{name!r}]"
        picture = foreign.first_file([path.parent / name], here)
        found.append(ForeignPicture(picture, here, _boxes(boxes, here)))
    return found


def _boxes(value: Any, where: str) -> tuple[ForeignBox, ...]:
    boxes = []
    for index, item in enumerate(foreign.sequence(value, where)):
        here = f"{where}[{index}]"
        entry = foreign.mapping(item, here)
        left, top, width, height = (
            foreign.number(entry.get(side), f"{here}.{side}")
            for side in ("x", "y", "width", "height")
        )
        name = foreign.text(entry.get("label"), f"{here}.label")
        boxes.append(ForeignBox(foreign.from_corner(left, top, width, height), name, here))
    return tuple(boxes)
