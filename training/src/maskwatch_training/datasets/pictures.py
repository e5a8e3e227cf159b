"""Picture files: found, turned upright, put into a set."""

from __future__ import annotations

import errno
import os
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image as Pillow
from PIL import ImageOps

from maskwatch_training.arrays import Image
from maskwatch_training.datasets.labelled import XYXY

SUFFIXES = frozenset({".jpg", ".jpeg", ".png", ".bmp", ".webp", ".tif", ".tiff"})
_ORIENTATION_TAG = 0x0112  # EXIF 2.32, table 4
_JPEG_QUALITY = 95
_NO_LINK = frozenset({errno.EXDEV, errno.EPERM, errno.EMLINK, errno.ENOTSUP})


class PictureBroken(ValueError):  # noqa: N818 - named for what is wrong, as all our errors are
    """A picture cannot be decoded to its end."""


@dataclass(frozen=True)
class Shape:
    """Size of the pixels as stored, and EXIF's word on how to turn them (1: not at all, to 8)."""

    stored_wh: tuple[int, int]
    orientation: int

    @property
    def upright_wh(self) -> tuple[int, int]:
        """The size after the turn."""
        width, height = self.stored_wh
        return (height, width) if self.orientation >= 5 else (width, height)


def below(folder: Path) -> list[Path]:
    """Return the picture files in a folder and its sub-folders, hidden ones left out, sorted."""
    return sorted(
        path
        for path in folder.rglob("*")
        if path.suffix.lower() in SUFFIXES
        and path.is_file()
        and not any(part.startswith(".") for part in path.relative_to(folder).parts)
    )


def measure(path: Path) -> Shape:
    """Decode a picture to its end and return its shape.

    Raises:
        PictureBroken: It is no picture or stops in the middle.
        FileNotFoundError: There is no such file.
    """
    with _opened(path) as picture:
        orientation = picture.getexif().get(_ORIENTATION_TAG, 1)
        turn = orientation if isinstance(orientation, int) and 1 <= orientation <= 8 else 1
        return Shape(picture.size, turn)


def decode(path: Path) -> Image:
    """Decode a picture as RGB, shape (height, width, 3), as stored.

    Raises:
        PictureBroken: It is no picture or stops in the middle.
        FileNotFoundError: There is no such file.
    """
    with _opened(path) as picture:
        return np.asarray(picture.convert("RGB"), np.uint8)


def _opened(path: Path) -> Pillow.Image:
    try:
        picture = Pillow.open(path)
        picture.load()
    except FileNotFoundError:
        raise
    except (OSError, ValueError, SyntaxError, Pillow.DecompressionBombError) as error:
        raise PictureBroken(f"{path}: is no whole picture: {error}") from error
    return picture


def place(source: Path, target: Path, *, link: Callable[[Path, Path], None] = os.link) -> None:
    """Put a picture into a set: a hard link where the file system can, else a copy."""
    target.parent.mkdir(parents=True, exist_ok=True)
    try:
        link(source.resolve(), target)
    except OSError as error:
        if error.errno not in _NO_LINK:
            raise
        shutil.copyfile(source, target)


def copy(source: Path, target: Path) -> None:
    """Put a copy of a file into a set, so that a change of one leaves the other alone."""
    target.parent.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(source, target)


def place_upright(source: Path, target: Path) -> None:
    """Write a picture with its pixels turned as EXIF says, and that word removed."""
    target.parent.mkdir(parents=True, exist_ok=True)
    with Pillow.open(source) as picture:
        ImageOps.exif_transpose(picture).save(target, picture.format, quality=_JPEG_QUALITY)


def turn(box: XYXY, shape: Shape) -> XYXY:
    """Carry a box from the stored pixels to the upright picture; px, corners."""
    corners = [_turned(box[0], box[1], shape), _turned(box[2], box[3], shape)]
    xs, ys = [x for x, _ in corners], [y for _, y in corners]
    return min(xs), min(ys), max(xs), max(ys)


def _turned(x: float, y: float, shape: Shape) -> tuple[float, float]:
    width, height = shape.stored_wh
    return {
        1: (x, y),
        2: (width - x, y),
        3: (width - x, height - y),
        4: (x, height - y),
        5: (y, x),
        6: (height - y, x),
        7: (height - y, width - x),
        8: (y, width - x),
    }[shape.orientation]
