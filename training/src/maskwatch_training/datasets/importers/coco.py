"""COCO: JSON files with `images`, `categories` and `annotations`; boxes as corner and size in px.

Source: https://cocodataset.org/#format-data
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from maskwatch_training.datasets.importers import foreign
from maskwatch_training.datasets.importers.foreign import (
    ForeignBox,
    ForeignPicture,
    Found,
    InvalidSource,
)

CROWDS = "boxes around crowds (iscrowd)"
_SECTIONS = ("images", "annotations", "categories")


def read(folder: Path) -> Found:
    """Read every COCO file below the folder; other JSON files are left alone.

    Raises:
        InvalidSource: There is none, a field is missing or wrong, an annotation belongs to no
            picture or category, a picture is missing.
    """
    found: list[ForeignPicture] = []
    files: list[Path] = []
    classes: list[str] = []
    left_out: Counter[str] = Counter()
    for path in sorted(folder.rglob("*.json")):
        where = path.relative_to(folder).as_posix()
        content = foreign.read_json(path, where)
        if not all(section in content for section in _SECTIONS):
            continue
        categories = _categories(content, where)
        boxes, crowds = _boxes(content, where, categories)
        left_out[CROWDS] += crowds
        found += _pictures(content, _Place(path, folder, where), boxes)
        files.append(path)
        classes += categories.values()
    if not files:
        sections = ", ".join(_SECTIONS)
        raise InvalidSource(f"{folder}: holds no .json of COCO (an object with {sections})")
    return Found(found, files, +left_out + foreign.unannotated(folder, found), classes)


class _Place:
    """Where a COCO file lies, and so where its pictures may."""

    def __init__(self, path: Path, folder: Path, where: str) -> None:
        self.where = where
        stem = path.stem.removeprefix("instances_").removesuffix(".coco").lstrip("_")
        homes = (path.parent, path.parent.parent, folder)
        self._homes = [home / sub for home in homes for sub in ("", "images", stem)]

    def picture(self, name: str, where: str) -> Path:
        return foreign.first_file([home / name for home in self._homes], where)


def _categories(content: Mapping[str, Any], where: str) -> dict[int, str]:
    categories: dict[int, str] = {}
    for index, item in enumerate(foreign.sequence(content["categories"], f"{where}: categories")):
        here = f"{where}: categories[{index}]"
        category = foreign.mapping(item, here)
        categories[_id(category, "id", here)] = foreign.text(category.get("name"), f"{here}.name")
    return categories


def _id(item: Mapping[str, Any], name: str, where: str) -> int:
    value = item.get(name)
    if not isinstance(value, int):
        raise InvalidSource(f"{where}.{name}: {value!r} is no whole number")
    return value


def _boxes(
    content: Mapping[str, Any], where: str, categories: Mapping[int, str]
) -> tuple[dict[int, list[ForeignBox]], int]:
    boxes: dict[int, list[ForeignBox]] = defaultdict(list)
    crowds = 0
    for index, item in enumerate(foreign.sequence(content["annotations"], f"{where}: annotations")):
        here = f"{where}: annotations[{index}]"
        entry = foreign.mapping(item, here)
        if entry.get("iscrowd"):
            crowds += 1
            continue
        category = _id(entry, "category_id", here)
        if category not in categories:
            raise InvalidSource(f"{here}.category_id: {category} is no category")
        box = ForeignBox(_xyxy(entry, here), categories[category], here)
        boxes[_id(entry, "image_id", here)].append(box)
    return boxes, crowds


def _xyxy(entry: Mapping[str, Any], where: str) -> tuple[float, float, float, float]:
    values = foreign.sequence(entry.get("bbox"), f"{where}.bbox")
    if len(values) != 4:
        raise InvalidSource(f"{where}.bbox: {len(values)} values; a box has 4")
    left, top, width, height = (
        foreign.number(value, f"{where}.bbox[{index}]") for index, value in enumerate(values)
    )
    return foreign.from_corner(left, top, width, height)


def _pictures(
    content: Mapping[str, Any], place: _Place, boxes: dict[int, list[ForeignBox]]
) -> list[ForeignPicture]:
    found: dict[int, ForeignPicture] = {}
    for index, item in enumerate(foreign.sequence(content["images"], f"{place.where}: images")):
        here = f"{place.where}: images[{index}]"
        entry = foreign.mapping(item, here)
        number = _id(entry, "id", here)
        if number in found:
            raise InvalidSource(f"{here}.id: {number} stands there twice")
        name = foreign.text(entry.get("file_name"), f"{here}.file_name")
        found[number] = ForeignPicture(
            path=place.picture(name, f"{here}.file_name"),
            where=here,
            boxes=tuple(boxes.pop(number, ())),
            declared_wh=_declared(entry, here),
        )
    for number, lost in boxes.items():
        raise InvalidSource(f"{lost[0].where}.image_id: {number} is no image")
    return list(found.values())


def _declared(entry: Mapping[str, Any], where: str) -> tuple[int, int] | None:
    if not entry.get("width") or not entry.get("height"):
        return None
    width, height = (
        int(foreign.number(entry[side], f"{where}.{side}")) for side in ("width", "height")
    )
    return width, height
