"""The one form of labelled pictures: a line of JSON a picture, checked field by field."""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path, PurePosixPath
from typing import Annotated, Any, Literal, Self

import pydantic
from pydantic import BaseModel, ConfigDict, Field

Coordinate = Annotated[float, Field(allow_inf_nan=False)]
XYXY = tuple[Coordinate, Coordinate, Coordinate, Coordinate]
Label = Literal["mask", "no_mask", "bad_mask"]
Kind = Literal["scene", "crop"]

_FAULTS_SHOWN = 8


class InvalidAnnotation(ValueError):  # noqa: N818 - named for what is wrong, as all our errors are
    """A line of an annotation file cannot be used; the message names file, line and field."""


class _Fault(ValueError):  # noqa: N818 - as above
    """A rule over several fields is broken."""


class Box(BaseModel):
    """A face: corners in px of the stored picture (left, top, right, bottom), and its class."""

    model_config = ConfigDict(frozen=True, extra="allow", strict=True)

    xyxy: XYXY
    label: Label


class Entry(BaseModel):
    """A labelled picture.

    `file` is relative to the set's folder. Pictures of one `group` show the same scene or person
    and stay on one side of a split; without one the picture stands alone. A `crop` is filled by its
    one face: it teaches what a mask is, not where faces are. Further fields are kept as they are.
    """

    model_config = ConfigDict(frozen=True, extra="allow", strict=True)

    file: Annotated[str, Field(min_length=1)]
    width: Annotated[int, Field(gt=0)]
    height: Annotated[int, Field(gt=0)]
    boxes: tuple[Box, ...]
    dataset: str
    licence: str
    group: str | int | None = None
    kind: Kind = "scene"

    @property
    def scene(self) -> str:
        """The group, or the file where none is stated."""
        return self.file if self.group is None else str(self.group)

    @pydantic.model_validator(mode="after")
    def _is_consistent(self) -> Self:
        path = PurePosixPath(self.file)
        if path.is_absolute() or ".." in path.parts:
            raise _Fault(f"file: {self.file!r} leads out of the folder")
        for number, box in enumerate(self.boxes):
            left, top, right, bottom = box.xyxy
            where = f"boxes[{number}].xyxy: {list(box.xyxy)}"
            if right <= left or bottom <= top:
                raise _Fault(f"{where} has no area")
            if left < 0 or top < 0 or right > self.width or bottom > self.height:
                raise _Fault(f"{where} is outside the picture of {self.width}x{self.height} px")
        return self

    def with_fields(self, **fields: Any) -> Entry:
        """Return a copy with other values; they are checked again."""
        return Entry.model_validate_json(json.dumps(self.as_mapping() | fields))

    def as_mapping(self) -> dict[str, Any]:
        """Give it for a JSON line; what was not stated is left out."""
        return self.model_dump(mode="json", exclude_unset=True)


def parse(line: str, where: str) -> Entry:
    """Read one line.

    Args:
        line: A JSON object.
        where: File and line, for the message.

    Raises:
        InvalidAnnotation: No JSON object, a field is missing or of a wrong type, the label is
            unknown, a box has no area or lies outside the picture, the file outside the folder.
    """
    try:
        return Entry.model_validate_json(line)
    except pydantic.ValidationError as error:
        faults = "; ".join(_described(fault) for fault in error.errors()[:_FAULTS_SHOWN])
        raise InvalidAnnotation(f"{where}: {faults}") from error


def read(path: Path) -> list[Entry]:
    """Read a file of labelled pictures; empty lines are allowed.

    Raises:
        InvalidAnnotation: A line cannot be used, or two lines describe the same picture.
        OSError: The file cannot be read.
    """
    entries: list[Entry] = []
    seen: dict[str, int] = {}
    try:
        # Not splitlines: a text may hold U+0085 or U+2028, which JSON does not escape.
        lines = path.read_text(encoding="utf-8").split("\n")
    except UnicodeDecodeError as error:
        raise InvalidAnnotation(f"{path.name}: is no UTF-8 text: {error.reason}") from error
    for number, line in enumerate(lines, 1):
        if not line.strip():
            continue
        entry = parse(line, f"{path.name}:{number}")
        if entry.file in seen:
            former = f"{entry.file} stands in line {seen[entry.file]} already"
            raise InvalidAnnotation(f"{path.name}:{number}: file: {former}")
        seen[entry.file] = number
        entries.append(entry)
    return entries


def write(path: Path, entries: Iterable[Entry]) -> None:
    """Write a file of labelled pictures."""
    with path.open("w", encoding="utf-8") as file:
        for entry in entries:
            file.write(json.dumps(entry.as_mapping(), ensure_ascii=False) + "\n")


def _described(fault: Any) -> str:
    if fault["type"] == "json_invalid":
        return f"is no JSON: {fault['ctx']['error']}"
    own = fault.get("ctx", {}).get("error")
    if isinstance(own, _Fault):
        return str(own)
    place = ""
    for part in fault["loc"]:
        place += f"[{part}]" if isinstance(part, int) else f".{part}"
    if fault["type"] == "missing":
        return f"{place.lstrip('.')}: is missing"
    given = repr(fault["input"])
    return f"{place.lstrip('.') or 'line'}: {fault['msg']}, not {given[:60]}"
