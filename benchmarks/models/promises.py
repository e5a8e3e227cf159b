"""What the models have to reach, as bars.

The promises were made for a set that is not here; on the photos held back they are a guide.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from benchmarks.bars import Bar, at_least, at_most
from benchmarks.models.table import PEER, Row

_INT8 = "-int8"


@dataclass(frozen=True, slots=True)
class Promise:
    """Least APs at IoU .5 and .4 of faces of at least 0, 24, 48 px, least AP50 of the door proxy,
    and the largest time of a whole call beside AIZOO's.
    """  # noqa: D205 - one sentence

    ap50: tuple[float, float, float]
    ap40: tuple[float, float, float] | None
    door: float
    ratio: float


DEFAULT = Promise((0.80, 0.88, 0.93), (0.87, 0.94, 0.97), 0.89, 0.75)
SMALL = Promise((0.76, 0.85, 0.90), None, 0.85, 0.40)
_ALARM_SHARE = 15 / 179


def detector(row: Row, promise: Promise) -> list[Bar]:
    """Return the bars of a detector as it ships: with the classifier, where there is one."""
    sizes = ("all", ">= 24 px", ">= 48 px")
    bars = _least("AP50", sizes, row.photos.ap50, promise.ap50)
    if promise.ap40 is not None:
        bars += _least("AP40", sizes, row.photos.ap40, promise.ap40)
    bars.append(at_least("AP50, door proxy", row.door.ap50, promise.door, unit="share"))
    if row.photos.faceless:
        alarms = row.photos.alarms / row.photos.faceless
        bars.append(at_most("alarms on faceless photos", alarms, _ALARM_SHARE, unit="share"))
    return bars


def speed(name: str, promise: Promise, ms: Mapping[str, float]) -> Bar:
    """Return the bar of a detector's whole call, without a classifier."""
    return at_most("whole call beside AIZOO's", ms[name] / ms[PEER], promise.ratio, unit="times")


def judgement(row: Row) -> list[Bar]:
    """Return the bars of judging the mask."""
    photos = row.photos
    wanted = [
        ("mask right, >= 24 px", photos.mask_right[1], 0.95),
        ("mask right, >= 48 px", photos.mask_right[2], 0.98),
        ("mask right, tight crops", row.crops, 0.976),
        ("bad_mask recall, >= 48 px", photos.bad_recall, 0.70),
        ("bad_mask precision, >= 48 px", photos.bad_precision, 0.60),
    ]
    bars = [at_least(name, value, least, unit="share") for name, value, least in wanted]
    error = at_most("expected calibration error", photos.calibration_error, 0.05, unit="share")
    return [*bars, error]


def quantised(rows: Sequence[Row]) -> list[Bar]:
    """Return the bars of int8 files beside their float ones."""
    by_name = {row.name: row for row in rows}
    return [
        at_most(f"{name}: AP50 lost", _lost(by_name[name], row), 0.02, unit="share")
        for row in rows
        if row.name.endswith(_INT8) and (name := row.name.removesuffix(_INT8)) in by_name
    ]


def _lost(first: Row, second: Row) -> float:
    return max(
        one - other for one, other in zip(first.photos.ap50, second.photos.ap50, strict=True)
    )


def _least(
    what: str, sizes: Sequence[str], values: Sequence[float], least: Sequence[float]
) -> list[Bar]:
    return [
        at_least(f"{what}, {size}", value, floor, unit="share")
        for size, value, floor in zip(sizes, values, least, strict=True)
    ]
