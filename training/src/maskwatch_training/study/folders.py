"""Pictures in a folder per class, each picture one face."""

from __future__ import annotations

import logging
from pathlib import Path

import cv2
import numpy as np

from maskwatch_training.datasets import class_names, pictures
from maskwatch_training.datasets.photos import Photo
from maskwatch_training.labels import LABELS

_PARTS = {"training": ("train",), "validation": ("validation", "val"), "test": ("test",)}

_log = logging.getLogger(__name__)


class UnknownClass(ValueError):  # noqa: N818 - named for what is wrong, as all our errors are
    """A folder with pictures has no name of a class."""


def read(folder: Path) -> dict[str, list[Photo]] | list[Photo] | None:
    """List the pictures of a folder per class.

    Returns:
        By part where there are folders train, validation (or val) and test with classes in them;
        one list where the classes stand in `folder` itself; None where there is neither.

    Raises:
        UnknownClass: A folder beside the classes holds pictures.
    """
    if found := _classes(folder):
        return found
    parts = {
        part: next((found for name in names if (found := _classes(folder / name))), None)
        for part, names in _PARTS.items()
    }
    complete = {part: found for part, found in parts.items() if found}
    return complete if len(complete) == len(_PARTS) else None


def _classes(folder: Path) -> list[Photo]:
    if not folder.is_dir():
        return []
    inside = sorted(path for path in folder.iterdir() if path.is_dir())
    meanings = {path: class_names.meaning(path.name, {}) for path in inside}
    if not set(LABELS) & set(meanings.values()):
        return []
    listed: list[Photo] = []
    for path, meaning in meanings.items():
        found = pictures.below(path)
        if meaning is None and found:
            raise UnknownClass(f"{path}: no class; the classes are {', '.join(LABELS)}")
        if meaning in LABELS:
            listed.extend(_photo(picture, folder, meaning) for picture in found)
        elif found:
            _log.warning("left out: %d pictures of %s, which is no face", len(found), path)
    return listed


def _photo(path: Path, folder: Path, label: str) -> Photo:
    width, height = _size_px(path)
    file = path.relative_to(folder).as_posix()
    return Photo(
        path=path,
        file=file,
        width=width,
        height=height,
        dataset=folder.name,
        group=file,
        licence="none stated",
        boxes_px=np.array([[0, 0, width, height]], np.float32),
        labels=np.array([LABELS.index(label)], np.int64),
    )


def _size_px(path: Path) -> tuple[int, int]:
    """Width and height; a picture that cannot be read gets a size that decoding then refuses."""
    image = cv2.imread(str(path), cv2.IMREAD_COLOR | cv2.IMREAD_IGNORE_ORIENTATION)
    return (image.shape[1], image.shape[0]) if image is not None else (10_000, 10_000)
