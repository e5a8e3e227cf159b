"""The photos of a detector: those that show where a face is; crops show only what is on it."""

from __future__ import annotations

import logging
from dataclasses import replace
from pathlib import Path

from maskwatch_training.datasets import holdout
from maskwatch_training.datasets.holdout import Holdout, NothingToLearn
from maskwatch_training.datasets.photos import Photo
from maskwatch_training.detector.recipe import Recipe

_log = logging.getLogger(__name__)


def read(folder: Path, recipe: Recipe) -> Holdout:
    """Read the scenes of a recipe, divided; crops are left out and counted.

    Raises:
        NothingToLearn: No scene with a face is left to learn from.
        ContradictorySplit, InvalidAnnotation, FileNotFoundError: As `holdout.read`.
    """
    found = holdout.read(folder, recipe)
    scenes = replace(found, training=_scenes(found.training), validation=_scenes(found.validation))
    counts = (
        len(found.training) - len(scenes.training),
        len(found.validation) - len(scenes.validation),
    )
    if any(counts):
        _log.warning("left out: %d crops for training, %d held back; no scenes", *counts)
    if not any(len(photo.labels) for photo in scenes.training):
        left_out = f"of {len(found.training)} training photos, {counts[0]} are crops"
        raise NothingToLearn(f"{folder}: no scene with a face to learn from ({left_out})")
    return scenes


def _scenes(photos: list[Photo]) -> list[Photo]:
    return [photo for photo in photos if photo.kind == "scene"]
