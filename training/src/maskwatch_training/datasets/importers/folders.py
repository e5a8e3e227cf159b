"""Folder per class: the name of the folder is the class of every picture in it."""

from __future__ import annotations

from pathlib import Path

from maskwatch_training.datasets import pictures
from maskwatch_training.datasets.importers.foreign import ForeignPicture, Found, InvalidSource


def read(folder: Path) -> Found:
    """Read the pictures of `<class>/…` or `<part>/<class>/…`; the innermost folder is the class.

    Raises:
        InvalidSource: There is no picture, or one lies outside any class folder.
    """
    found: list[ForeignPicture] = []
    for path in pictures.below(folder):
        where = path.relative_to(folder)
        if where.parent == Path():
            raise InvalidSource(f"{where}: lies in no class folder")
        found.append(ForeignPicture(path, where.as_posix(), whole=where.parent.name))
    if not found:
        raise InvalidSource(f"{folder}: holds no picture in a class folder")
    return Found(found, (), classes=_leaves(folder))


def _leaves(folder: Path) -> list[str]:
    within = [path for path in folder.rglob("*") if path.is_dir() and path.name[0] != "."]
    parents = {path.parent for path in within}
    return sorted({path.name for path in within if path not in parents})
