"""The figures as a table for the terminal."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from benchmarks.models.figures import DoorFigures, Figures

PEER = "AIZOO 260"


@dataclass(frozen=True, slots=True)
class Row:
    """All that is known of one model; `crops` is the share of tight crops judged right."""

    name: str
    threshold: float
    photos: Figures
    door: DoorFigures
    crops: float


_COLUMNS = (
    ("AP50 all/24/48", 17),
    ("AP40 all/24/48", 17),
    ("rec/prec", 11),
    ("alarms", 7),
    ("mask 24/48", 11),
    ("bad r/p", 11),
    ("ECE", 5),
    ("door AP/rec/mask", 17),
    ("crops", 5),
)


def text(rows: Sequence[Row], ms: Mapping[str, float]) -> str:
    """Return the table; milliseconds by name stand in it where they were measured."""
    wide = max(len(row.name) for row in rows)
    head = "  ".join(name.ljust(width) for name, width in _COLUMNS)
    lines = [f"{'':{wide}}   at  {head}  ms/call  x AIZOO"]
    for row in rows:
        cells = "  ".join(
            cell.ljust(width) for cell, (_, width) in zip(_cells(row), _COLUMNS, strict=True)
        )
        lines.append(f"{row.name:{wide}}  {row.threshold:.2f}  {cells}  {_speed(row.name, ms)}")
    return "\n".join(lines)


def speeds(ms: Mapping[str, float]) -> str:
    """Return the milliseconds alone."""
    wide = max(len(name) for name in ms)
    return "\n".join(f"{name:{wide}}  {_speed(name, ms)}" for name in ms)


def _cells(row: Row) -> tuple[str, ...]:
    photos, door = row.photos, row.door
    return (
        _several(photos.ap50),
        _several(photos.ap40),
        _several((photos.recall, photos.precision)),
        f"{photos.alarms}/{photos.faceless}",
        _several(photos.mask_right[1:]),
        _several((photos.bad_recall, photos.bad_precision)),
        _share(photos.calibration_error),
        _several((door.ap50, door.recall, door.mask_right)),
        _share(row.crops),
    )


def _speed(name: str, ms: Mapping[str, float]) -> str:
    if name not in ms:
        return ""
    ratio = f"{ms[name] / ms[PEER]:8.2f}" if PEER in ms else ""
    return f"{ms[name]:7.1f} {ratio}"


def _several(shares: Sequence[float]) -> str:
    return " / ".join(_share(share) for share in shares)


def _share(share: float) -> str:
    """Return three places without the zero in front."""
    return "-" if math.isnan(share) else f"{share:.3f}".removeprefix("0")
