"""Which photos a run learns from and which it holds back: a split that is there, or a new one."""

from __future__ import annotations

import logging
from dataclasses import dataclass, replace
from pathlib import Path

from maskwatch_training.datasets import photos
from maskwatch_training.datasets.photos import Photo
from maskwatch_training.recipes import Training

_log = logging.getLogger(__name__)
_TRAIN, _VALIDATION, _TEST = "train", "validation", "test"  # as `split` names its files


class ContradictorySplit(ValueError):  # noqa: N818 - named for what is wrong, as all our errors are
    """The recipe and the split in the data folder say different things; the message names both."""


class NothingToLearn(ValueError):  # noqa: N818 - as above
    """The training photos lack something that the recipe needs; the message names it."""


@dataclass(frozen=True)
class Holdout:
    """Photos to learn from and photos held back, the files they stand in, and who divided them."""

    training: list[Photo]
    validation: list[Photo]
    sources: tuple[Path, ...]
    origin: str


def read(folder: Path, recipe: Training) -> Holdout:
    """Read the photos of a recipe, divided.

    A folder with `train.jsonl` and a `validation.jsonl` that holds pictures, as `maskwatch-train
    split` writes them, is divided already: that division is used, the recipe's shares are not, and
    the photos held back count as the recipe's data set `train`. Otherwise the recipe's shares and
    seed decide, group by group. `test.jsonl` is never read.

    Raises:
        ContradictorySplit: The recipe trains on what the folder's split holds back, or on other
            sets than its `train`, or a group stands on both sides.
        InvalidAnnotation: A line of an annotation file cannot be used.
        FileNotFoundError: A data set is missing.
    """
    found = _own(folder, recipe) or _cut(folder, recipe)
    counts = (len(found.training), len(found.validation), found.origin)
    _log.info("photos: %d for training, %d held back (%s)", *counts)
    return found


def _cut(folder: Path, recipe: Training) -> Holdout:
    names = list(recipe.datasets)
    shares = recipe.validation
    training, validation = photos.split(
        photos.read(folder, names),
        share=shares.share,
        faceless_share=shares.faceless_share,
        seed=recipe.seed,
    )
    sources = tuple(photos.annotation_file(folder, name) for name in names)
    return Holdout(training, validation, sources, "by the recipe's shares")


def _own(folder: Path, recipe: Training) -> Holdout | None:
    files = (folder / f"{_TRAIN}.jsonl", folder / f"{_VALIDATION}.jsonl")
    if not all(path.is_file() for path in files):
        return None
    if kept := sorted({_VALIDATION, _TEST} & set(recipe.datasets)):
        said = f"{recipe.name}: datasets: {', '.join(kept)}"
        raise ContradictorySplit(f"{said}: is held back by the split in {folder}")
    validation = photos.read(folder, [_VALIDATION])
    if not validation:
        return None
    if set(recipe.datasets) != {_TRAIN}:
        said = f"{recipe.name}: datasets: {', '.join(recipe.datasets)}"
        raise ContradictorySplit(f"{said}: {folder} holds a split, whose training part is {_TRAIN}")
    training = photos.read(folder, [_TRAIN])
    _check_groups(training, validation, folder)
    held_back = [replace(photo, dataset=_TRAIN) for photo in validation]
    return Holdout(training, held_back, files, f"by {_VALIDATION}.jsonl of the data folder")


def _check_groups(training: list[Photo], validation: list[Photo], folder: Path) -> None:
    shared = sorted({photo.group for photo in training} & {photo.group for photo in validation})
    if shared:
        where = f"{folder}: {_TRAIN}.jsonl and {_VALIDATION}.jsonl: group"
        more = f" and {len(shared) - 1} more" if len(shared) > 1 else ""
        raise ContradictorySplit(f"{where}: {shared[0]}{more} on both sides")
