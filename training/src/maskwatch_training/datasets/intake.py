"""Brings a foreign set into the one form: names, boxes, turned pictures, one folder."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Literal

from maskwatch_training.datasets import class_names, labelled, pictures, progress
from maskwatch_training.datasets.importers.foreign import (
    ForeignBox,
    ForeignPicture,
    Found,
    InvalidSource,
)
from maskwatch_training.datasets.labelled import XYXY, Box, Entry
from maskwatch_training.datasets.pictures import Shape

# What a tool's rounding of a corner may amount to.
_ROUNDING_PX = 0.5
_DECIMALS = 2
_FAULTS_SHOWN = 10
PICTURE_FOLDER = "pictures"
NO_LICENCE = "none stated"
_WITHOUT_AREA = "boxes without area left out"
_WHOLLY_OUTSIDE = "boxes wholly outside left out"

Skip = Literal["broken", "empty"]


@dataclass(frozen=True)
class Order:
    """What the user wants.

    Attributes:
        source: The foreign set's folder.
        name: Of the new set.
        licence: Of its pictures.
        labels: The user's map of class names.
        clip: Cut boxes that lead out of the picture instead of refusing them.
        skip: Leave out broken pictures, or boxes without area, instead of refusing them.
    """

    source: Path
    name: str
    licence: str = NO_LICENCE
    labels: Mapping[str, str] = field(default_factory=dict)
    clip: bool = False
    skip: frozenset[Skip] = frozenset()


@dataclass
class Intake:
    """What came of it: the entries, and everything that was changed or left out, counted."""

    entries: list[Entry] = field(default_factory=list)
    counts: Counter[str] = field(default_factory=Counter)
    faults: list[str] = field(default_factory=list)
    unknown: Counter[str] = field(default_factory=Counter)
    unknown_at: dict[str, str] = field(default_factory=dict)


def bring(found: Found, order: Order, folder: Path) -> Intake:
    """Write pictures and `<name>.jsonl` into a folder.

    Every picture is looked at before a fault ends the step, so that one run shows them all.

    Raises:
        InvalidSource: Unknown class names, boxes outside the picture or without area, broken
            pictures, sizes that disagree; each with file and field.
        OSError: A file cannot be read or written.
    """
    intake = Intake(counts=Counter(found.left_out))
    for picture in progress.shown(found.pictures, "import"):
        try:
            entry = _bring_one(picture, order, intake, folder)
        except InvalidSource as fault:
            intake.faults.append(str(fault))
            continue
        if entry is not None:
            intake.entries.append(entry)
    _refuse_faults(intake)
    if not intake.entries:
        raise InvalidSource(f"{order.source}: nothing is left to import; {dict(intake.counts)}")
    labelled.write(folder / f"{order.name}.jsonl", intake.entries)
    return intake


def empty_classes(found: Found) -> list[str]:
    """Return the classes that a set declares and has no picture or box of, in its own names."""
    used = {box.name for picture in found.pictures for box in picture.boxes}
    used |= {picture.whole for picture in found.pictures if picture.whole}
    return sorted(set(found.classes) - used)


def unused_labels(found: Found, order: Order) -> list[str]:
    """Return the names of --labels that the set does not have: most likely misspelt."""
    names = {class_names.normalised(name) for name in found.classes}
    for picture in found.pictures:
        names |= {class_names.normalised(box.name) for box in picture.boxes}
        names |= {class_names.normalised(picture.whole)} if picture.whole else set()
    return sorted(set(order.labels) - names)


def _bring_one(picture: ForeignPicture, order: Order, intake: Intake, folder: Path) -> Entry | None:
    try:
        shape = pictures.measure(picture.path)
    except pictures.PictureBroken as error:
        name = picture.path.relative_to(order.source)
        if "broken" in order.skip:
            intake.counts["broken pictures left out"] += 1
            return None
        raise InvalidSource(f"{name}: {error.__cause__}; --skip broken leaves it out") from error
    boxes = _boxes(picture, shape, order, intake)
    if boxes is None:
        return None
    entry = _entry(picture, shape, order, boxes)
    if shape.orientation == 1:
        pictures.place(picture.path, folder / entry.file)
    else:
        intake.counts["pictures turned as EXIF says"] += 1
        pictures.place_upright(picture.path, folder / entry.file)
    return entry


def _entry(picture: ForeignPicture, shape: Shape, order: Order, boxes: Sequence[Box]) -> Entry:
    width, height = shape.upright_wh
    relative = picture.path.relative_to(order.source).as_posix()
    return Entry(
        file=f"{PICTURE_FOLDER}/{relative}",
        width=width,
        height=height,
        boxes=tuple(boxes),
        dataset=order.name,
        licence=order.licence,
        group=f"{order.name}/{relative}",
        kind="crop" if picture.whole is not None and boxes else "scene",
    )


def _boxes(picture: ForeignPicture, shape: Shape, order: Order, intake: Intake) -> list[Box] | None:
    """Return the picture's boxes, or nothing where the picture itself is to be left out."""
    if picture.whole is not None:
        return _whole(picture, shape, order, intake)
    is_stored = _counts_stored_px(picture, shape)
    kept = []
    for box in picture.boxes:
        label = _label(box.name, box.where, order, intake)
        if label is None or _has_no_area(box, order, intake.counts):
            continue
        if label == class_names.NO_FACE:
            raise InvalidSource(f"{box.where}: {box.name!r} is no face, yet has a box; ignore it")
        xyxy = _in_px(box, picture, shape.stored_wh if is_stored else shape.upright_wh)
        upright = pictures.turn(xyxy, shape) if is_stored else xyxy
        fitted = _fitted(replace(box, xyxy=upright), shape.upright_wh, order, intake.counts)
        if fitted is not None:
            kept.append(Box.model_validate({"xyxy": fitted, "label": label}))
    return kept


def _has_no_area(box: ForeignBox, order: Order, counts: Counter[str]) -> bool:
    left, top, right, bottom = box.xyxy
    if right > left and bottom > top:
        return False
    if "empty" not in order.skip:
        shown = [round(side, _DECIMALS) for side in box.xyxy]
        raise InvalidSource(f"{box.where}: {shown} has no area; --skip empty leaves it out")
    counts[_WITHOUT_AREA] += 1
    return True


def _whole(picture: ForeignPicture, shape: Shape, order: Order, intake: Intake) -> list[Box] | None:
    label = _label(picture.whole or "", picture.where, order, intake)
    if label is None:
        return None
    if label == class_names.NO_FACE:
        return []
    width, height = shape.upright_wh
    full = (0.0, 0.0, float(width), float(height))
    return [Box.model_validate({"xyxy": full, "label": label})]


def _label(name: str, where: str, order: Order, intake: Intake) -> str | None:
    label = class_names.meaning(name, order.labels)
    if label is None:
        intake.unknown[name] += 1
        intake.unknown_at.setdefault(name, where)
        return None
    if label == class_names.IGNORE:
        intake.counts[f"labels ignored as asked: {name}"] += 1
        return None
    return label


def _counts_stored_px(picture: ForeignPicture, shape: Shape) -> bool:
    """Tell whether the boxes belong to the pixels before EXIF's turn.

    Labelling tools show the upright picture; only where the annotation states the other size do its
    boxes belong to the stored pixels.
    """
    declared = picture.declared_wh
    if declared is None or declared == shape.upright_wh:
        return shape.orientation == 1
    if declared == shape.stored_wh:
        return True
    found, said = _size(shape.upright_wh), _size(declared)
    raise InvalidSource(f"{picture.where}: size: says {said}, the picture has {found} px")


def _size(wh: tuple[int, int]) -> str:
    return f"{wh[0]}x{wh[1]}"


def _in_px(box: ForeignBox, picture: ForeignPicture, wh: tuple[int, int]) -> XYXY:
    if picture.unit == "px":
        return box.xyxy
    left, top, right, bottom = box.xyxy
    return left * wh[0], top * wh[1], right * wh[0], bottom * wh[1]


def _fitted(
    box: ForeignBox, wh: tuple[int, int], order: Order, counts: Counter[str]
) -> XYXY | None:
    """Return the box within the picture, rounded; nothing where nothing of it is there."""
    width, height = wh
    left, top, right, bottom = box.xyxy
    is_outside = max(-left, -top, right - width, bottom - height) > _ROUNDING_PX
    if is_outside and not order.clip:
        shown = [round(side, _DECIMALS) for side in box.xyxy]
        where = f"is outside the picture of {_size(wh)} px"
        raise InvalidSource(f"{box.where}: {shown} {where}; --clip cuts it")
    cut = (max(left, 0.0), max(top, 0.0), min(right, float(width)), min(bottom, float(height)))
    left, top, right, bottom = (round(side, _DECIMALS) for side in cut)
    if right <= left or bottom <= top:
        counts[_WHOLLY_OUTSIDE if is_outside else _WITHOUT_AREA] += 1
        return None
    if is_outside:
        counts["boxes cut at the picture's edge"] += 1
    return left, top, right, bottom


def _refuse_faults(intake: Intake) -> None:
    faults = [
        f"{intake.unknown_at[name]}: class {name!r} is unknown ({times} times);"
        f" say what it is with --labels {name!r}=mask, no_mask, bad_mask, no_face or ignore"
        for name, times in sorted(intake.unknown.items())
    ] + intake.faults
    if not faults:
        return
    more = len(faults) - _FAULTS_SHOWN
    shown = faults[:_FAULTS_SHOWN] + ([f"and {more} more"] if more > 0 else [])
    lines = "\n  ".join(shown)
    raise InvalidSource(f"{len(faults)} faults, nothing was written:\n  {lines}")
