"""What an importer finds, before names and boxes are brought into our form."""

from __future__ import annotations

import json
import math
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from maskwatch_training.datasets import pictures
from maskwatch_training.datasets.labelled import XYXY

UNANNOTATED = "pictures that no annotation mentions"


class InvalidSource(ValueError):  # noqa: N818 - named for what is wrong, as all our errors are
    """A foreign set cannot be used; the message names file and field."""


@dataclass(frozen=True)
class ForeignBox:
    """A box with its foreign class name; `where` names its field in the annotation file."""

    xyxy: XYXY
    name: str
    where: str


@dataclass(frozen=True)
class ForeignPicture:
    """A picture as a foreign set describes it.

    Attributes:
        path: The picture.
        where: Annotation file (and line or field), relative to the set.
        boxes: In `unit`: px, or shares of width and height.
        unit: Of the boxes.
        declared_wh: The size that the annotation states, if it states one.
        whole: Class name of the whole picture, where the set has no boxes.
    """

    path: Path
    where: str
    boxes: tuple[ForeignBox, ...] = ()
    unit: Literal["px", "share"] = "px"
    declared_wh: tuple[int, int] | None = None
    whole: str | None = None


@dataclass(frozen=True)
class Found:
    """All of a foreign set.

    Attributes:
        pictures: That can be used.
        annotation_files: That were read.
        left_out: What was not, in words, and how often.
        classes: That the set declares, in its own names, used or not.
    """

    pictures: Sequence[ForeignPicture]
    annotation_files: Sequence[Path]
    left_out: Counter[str] = field(default_factory=Counter)
    classes: Sequence[str] = ()


def unannotated(folder: Path, described: Iterable[ForeignPicture]) -> Counter[str]:
    """Count the pictures below a folder that nothing describes."""
    known = {picture.path.resolve() for picture in described}
    missed = sum(path.resolve() not in known for path in pictures.below(folder))
    return Counter({UNANNOTATED: missed} if missed else {})


def first_file(candidates: Sequence[Path], where: str) -> Path:
    """Return the first that exists.

    Raises:
        InvalidSource: None does.
    """
    for path in candidates:
        if path.is_file():
            return path
    raise InvalidSource(f"{where}: there is no picture {candidates[0].name}")


def number(value: Any, where: str) -> float:
    """Return a finite number.

    Raises:
        InvalidSource: It is missing, no number, or not finite.
    """
    try:
        found = float(value)
    except (TypeError, ValueError):
        found = math.nan
    if isinstance(value, bool) or not math.isfinite(found):
        raise InvalidSource(f"{where}: {value!r} is no number")
    return found


def read_json(path: Path, where: str) -> dict[str, Any]:
    """Read a JSON object.

    Raises:
        InvalidSource: The file is damaged or holds something else.
    """
    try:
        content = json.loads(path.read_text(encoding="utf-8-sig"))
    except ValueError as error:
        raise InvalidSource(f"{where}: is no JSON: {error}") from error
    return mapping(content, where)


def mapping(value: Any, where: str) -> dict[str, Any]:
    """Return a JSON object, or say that it is none."""
    if not isinstance(value, dict):
        raise InvalidSource(f"{where}: is no JSON object")
    return value


def sequence(value: Any, where: str) -> list[Any]:
    """Return a JSON array, or say that it is none."""
    if not isinstance(value, list):
        raise InvalidSource(f"{where}: is no JSON array")
    return value


def text(value: Any, where: str) -> str:
    """Return a text that is not empty, or say that it is none."""
    if not isinstance(value, str) or not value.strip():
        raise InvalidSource(f"{where}: {value!r} is no text")
    return value


def from_corner(left: float, top: float, width: float, height: float) -> XYXY:
    """Turn corner and size into corners."""
    return left, top, left + width, top + height
