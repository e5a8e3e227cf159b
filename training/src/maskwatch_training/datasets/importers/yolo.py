"""YOLO: a text file a picture, a line a face: class number, centre and size as shares.

Class names come from `data.yaml` (its `names`), `classes.txt`, `obj.names` or `_darknet.labels`.
A picture without a text file has no face, as in Ultralytics' format; they are counted.
Source: https://docs.ultralytics.com/datasets/detect/
"""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import yaml

from maskwatch_training.datasets import pictures
from maskwatch_training.datasets.importers import foreign
from maskwatch_training.datasets.importers.foreign import (
    ForeignBox,
    ForeignPicture,
    Found,
    InvalidSource,
)

WITHOUT_LABELS = "pictures without a label file, taken as without faces"
_NAME_FILES = ("classes.txt", "obj.names", "_darknet.labels")
_YAML_FILES = ("data.yaml", "data.yml", "dataset.yaml", "dataset.yml")
# Text files that come with the form and hold no boxes.
_OTHER_TEXTS = ("classes", "train", "val", "valid", "validation", "test", "readme", "license")
_VALUES_A_LINE = 5


def read(folder: Path) -> Found:
    """Read the pictures below the folder with their label files.

    Raises:
        InvalidSource: No class names, no label file at all, a label file without its picture, a
            line that cannot be used.
    """
    names_file = _names_file(folder)
    names = _names(names_file, names_file.relative_to(folder).as_posix())
    found: list[ForeignPicture] = []
    labels: list[Path] = []
    for path in pictures.below(folder):
        label = _label_path(path, folder)
        if label.is_file():
            labels.append(label)
        found.append(
            ForeignPicture(path, _where(label, folder), _boxes(label, folder, names), "share")
        )
    if not labels:
        raise InvalidSource(f"{folder}: holds no label file (.txt) beside or for any picture")
    _refuse_orphans(folder, set(labels))
    missing = len(found) - len(labels)
    left_out = Counter({WITHOUT_LABELS: missing} if missing else {})
    return Found(found, [names_file, *labels], left_out, list(names.values()))


def _where(path: Path, folder: Path) -> str:
    return path.relative_to(folder).as_posix()


def _names_file(folder: Path) -> Path:
    for name in (*_YAML_FILES, *_NAME_FILES):
        for path in (folder / name, *sorted(folder.rglob(name))):
            if path.is_file():
                return path
    raise InvalidSource(f"{folder}: no class names: neither data.yaml nor classes.txt")


def _names(path: Path, where: str) -> dict[int, str]:
    content = path.read_text(encoding="utf-8-sig")
    if path.name not in _YAML_FILES:
        return dict(enumerate(line.strip() for line in content.split("\n") if line.strip()))
    try:
        names = foreign.mapping(yaml.safe_load(content), where).get("names")
    except yaml.YAMLError as error:
        raise InvalidSource(f"{where}: is no YAML: {error}") from error
    if isinstance(names, list):
        return {index: str(name) for index, name in enumerate(names)}
    if isinstance(names, dict) and all(isinstance(index, int) for index in names):
        return {index: str(name) for index, name in names.items()}
    raise InvalidSource(f"{where}: names: is neither a list nor a map of numbers")


def _label_path(picture: Path, folder: Path) -> Path:
    parts = list(picture.relative_to(folder).parts)
    for place in range(len(parts) - 2, -1, -1):
        if parts[place] == "images":
            parts[place] = "labels"
            return folder.joinpath(*parts).with_suffix(".txt")
    return picture.with_suffix(".txt")


def _boxes(path: Path, folder: Path, names: dict[int, str]) -> tuple[ForeignBox, ...]:
    if not path.is_file():
        return ()
    return tuple(
        _box(line.split(), f"{_where(path, folder)}:{number}", names)
        for number, line in enumerate(path.read_text(encoding="utf-8-sig").split("\n"), 1)
        if line.strip()
    )


def _box(values: list[str], where: str, names: dict[int, str]) -> ForeignBox:
    if len(values) != _VALUES_A_LINE:
        raise InvalidSource(f"{where}: {len(values)} values; a box has {_VALUES_A_LINE}")
    kind = foreign.number(values[0], f"{where}: class")
    if kind not in names:
        raise InvalidSource(f"{where}: class: {values[0]} has no name, there are {len(names)}")
    fields = ("x", "y", "width", "height")
    shares = [
        foreign.number(value, f"{where}: {name}")
        for name, value in zip(fields, values[1:], strict=True)
    ]
    x, y, width, height = shares
    corners = foreign.from_corner(x - width / 2, y - height / 2, width, height)
    return ForeignBox(corners, names[int(kind)], where)


def _refuse_orphans(folder: Path, used: set[Path]) -> None:
    for path in sorted(folder.rglob("*.txt")):
        if path not in used and path.name.split(".")[0].lower() not in _OTHER_TEXTS:
            raise InvalidSource(f"{_where(path, folder)}: there is no picture for this label file")
