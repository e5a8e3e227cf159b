"""Face crops for a study: read, cut, split by group, counted."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import cv2
import numpy as np

from maskwatch_training import views
from maskwatch_training.arrays import Image, Integers
from maskwatch_training.datasets import photos
from maskwatch_training.datasets.photos import Photo
from maskwatch_training.labels import LABELS
from maskwatch_training.study import folders
from maskwatch_training.study.recipe import Crops, Recipe, Split

PARTS = ("training", "validation", "test")
_FILES = ("train", "validation", "test")  # as `split` names them, in the order of PARTS
_NAMED_AT_MOST = 10

_log = logging.getLogger(__name__)


class UnusableData(ValueError):  # noqa: N818 - named for what is wrong, as all our errors are
    """The labelled pictures cannot carry a study; the message says what is missing."""


@dataclass(frozen=True)
class Face:
    """One cut: `image` (S, S, 3) RGB, `label` indexes LABELS."""

    image: Image
    label: int


@dataclass
class Losses:
    """What was left out, and how often; a few are named."""

    unreadable: int = 0
    too_small: int = 0
    named: list[str] = field(default_factory=list)

    def add_unreadable(self, why: str) -> None:
        """Count a picture that cannot be used."""
        self.unreadable += 1
        if len(self.named) < _NAMED_AT_MOST:
            self.named.append(why)
        _log.warning("left out: %s", why)


@dataclass(frozen=True)
class Faces:
    """The faces of a study, by part; `classes` are the labels found, in the order of LABELS."""

    parts: Mapping[str, Sequence[Face]]
    classes: tuple[str, ...]
    losses: Losses
    sources: tuple[Path, ...]

    def counts(self) -> dict[str, dict[str, int]]:
        """Count the faces by part and class."""
        return {
            part: {
                name: sum(face.label == LABELS.index(name) for face in faces)
                for name in self.classes
            }
            for part, faces in self.parts.items()
        }

    def targets(self, part: str) -> Integers:
        """Give the classes of a part's faces, shape (N,), as indices into `classes`."""
        order = {LABELS.index(name): index for index, name in enumerate(self.classes)}
        return np.array([order[face.label] for face in self.parts[part]], np.int64)


def read(folder: Path, recipe: Recipe) -> Faces:
    """Read, split and cut the faces of a folder.

    Args:
        folder: Holds `train.jsonl`, `validation.jsonl` and `test.jsonl` (a split that is kept), or
            `train/<dataset>.jsonl` (split here by group), or pictures in a folder per class.
        recipe: Says how to cut, split and thin out.

    Raises:
        UnusableData: There are no labelled pictures, one class only, or a part lacks a class.
        InvalidAnnotation: A line of an annotation file cannot be used.
    """
    listed, sources = _listed(folder, recipe.split, recipe.seed)
    losses = Losses()
    random = np.random.default_rng(recipe.seed)
    parts: dict[str, list[Face]] = {}
    for part in PARTS:
        limit = getattr(recipe.subset, part)
        boxes = _usable(listed[part], recipe.crops, losses)
        chosen = boxes if limit is None else _thinned(boxes, limit, random)
        parts[part] = _cut_all(chosen, recipe.crops, losses)
    found = Faces(parts, _classes(folder, parts), losses, sources)
    _log.info("faces: %s", found.counts())
    if losses.unreadable or losses.too_small:
        left_out = (losses.unreadable, losses.too_small)
        _log.warning("left out: %d unreadable pictures, %d faces too small", *left_out)
    return found


def square(box_px: Sequence[float], margin: float) -> views.Window:
    """Give the square to cut around a box (xyxy in px); may reach beyond the photo."""
    left, top, right, bottom = map(float, box_px)
    side = max(right - left, bottom - top) * (1 + 2 * margin)
    return views.Window((left + right - side) / 2, (top + bottom - side) / 2, side, side)


def _listed(
    folder: Path, split: Split, seed: int
) -> tuple[dict[str, list[Photo]], tuple[Path, ...]]:
    if not folder.is_dir():
        raise UnusableData(f"{folder}: is no folder")
    files = [folder / f"{name}.jsonl" for name in _FILES]
    if any(path.is_file() for path in files):
        absent = [path.name for path in files if not path.is_file()]
        if absent:
            raise UnusableData(f"{folder}: has a split, but no {', '.join(absent)}")
        read_in = [photos.read(folder, [name]) for name in _FILES]
        return dict(zip(PARTS, read_in, strict=True)), tuple(files)
    sets = sorted((folder / "train").glob("*.jsonl"))
    if sets:
        return _split(photos.read(folder, [path.stem for path in sets]), split, seed), tuple(sets)
    by_class = folders.read(folder)
    if by_class is None:
        raise UnusableData(
            f"{folder}: no train/*.jsonl, no train.jsonl, no folders {', '.join(LABELS)}"
        )
    return (_split(by_class, split, seed) if isinstance(by_class, list) else by_class), ()


def _split(everything: list[Photo], shares: Split, seed: int) -> dict[str, list[Photo]]:
    rest, test = photos.split(everything, share=shares.test, faceless_share=shares.test, seed=seed)
    # Another seed: the same one would draw the very groups that are gone already.
    share = shares.validation / (1 - shares.test)
    training, validation = photos.split(rest, share=share, faceless_share=share, seed=seed + 1)
    return {"training": training, "validation": validation, "test": test}


_Boxed = tuple[Photo, int]


def _usable(listed: Iterable[Photo], plan: Crops, losses: Losses) -> list[_Boxed]:
    kept: list[_Boxed] = []
    for photo in listed:
        for index, box in enumerate(photo.boxes_px):
            if min(box[2] - box[0], box[3] - box[1]) < plan.least_side_px:
                losses.too_small += 1
            else:
                kept.append((photo, index))
    return kept


def _thinned(boxes: list[_Boxed], limit: int, random: np.random.Generator) -> list[_Boxed]:
    """Take `limit` boxes at random, the rarest class first so that each gets its even share."""
    by_class: dict[int, list[_Boxed]] = {}
    for photo, index in boxes:
        by_class.setdefault(int(photo.labels[index]), []).append((photo, index))
    taken: list[_Boxed] = []
    rarest_first = sorted(by_class.values(), key=len)
    for done, members in enumerate(rarest_first):
        share = round((limit - len(taken)) / (len(rarest_first) - done))
        order = random.permutation(len(members))[:share]
        taken.extend(members[position] for position in order)
    # In the order of the files: each photo is decoded once.
    return sorted(taken, key=lambda chosen: (chosen[0].dataset, chosen[0].file, chosen[1]))


def _cut_all(boxes: Sequence[_Boxed], plan: Crops, losses: Losses) -> list[Face]:
    faces: list[Face] = []
    at_hand: tuple[Path, Image | None] = (Path(), None)
    for photo, index in boxes:
        if at_hand[0] != photo.path:
            at_hand = (photo.path, _decoded(photo, losses))
        if at_hand[1] is not None:
            faces.append(_cut(at_hand[1], photo, index, plan))
    return faces


def _decoded(photo: Photo, losses: Losses) -> Image | None:
    try:
        return photos.decode(photo)
    except photos.PhotoUnreadable as error:
        losses.add_unreadable(str(error))
        return None


def _cut(image: Image, photo: Photo, index: int, plan: Crops) -> Face:
    window = square(photo.boxes_px[index], plan.margin)
    side = max(2, min(plan.kept_side_px, round(window.width)))
    whole = views.whole(image, photo.boxes_px, photo.labels)
    seen = views.look(whole, window, (side, side), interpolation=cv2.INTER_AREA)
    return Face(seen.image, int(photo.labels[index]))


def _classes(folder: Path, parts: Mapping[str, Sequence[Face]]) -> tuple[str, ...]:
    present = {part: {face.label for face in faces} for part, faces in parts.items()}
    classes = tuple(
        name
        for index, name in enumerate(LABELS)
        if any(index in found for found in present.values())
    )
    if not classes:
        raise UnusableData(f"{folder}: no face of at least the recipe's least_side_px")
    if len(classes) == 1:
        raise UnusableData(f"{folder}: one class only ({classes[0]}); a study needs two or more")
    for part, found in present.items():
        lacking = [name for name in classes if LABELS.index(name) not in found]
        if lacking:
            raise UnusableData(f"{folder}: {part}: no face of {', '.join(lacking)}")
    return classes
