"""Foreign forms of labelled pictures, one module each: `read(folder) -> Found`."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

from maskwatch_training.datasets.importers import coco, edge_impulse, folders, voc, yolo
from maskwatch_training.datasets.importers.foreign import Found

FORMS: Mapping[str, Callable[[Path], Found]] = {
    "voc": voc.read,
    "yolo": yolo.read,
    "coco": coco.read,
    "folders": folders.read,
    "edge-impulse": edge_impulse.read,
}


def read(form: str, folder: Path) -> Found:
    """Read a foreign set.

    Args:
        form: A key of FORMS.
        folder: Of the set.

    Raises:
        InvalidSource: It cannot be used; the message names file and field.
        NotADirectoryError: There is no such folder.
    """
    if not folder.is_dir():
        raise NotADirectoryError(f"--source {folder}: is no folder")
    return FORMS[form](folder)
