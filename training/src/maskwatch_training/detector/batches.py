"""Batches of training images and their targets."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from maskwatch_training.datasets.holdout import NothingToLearn
from maskwatch_training.datasets.photos import Photo, decode
from maskwatch_training.detector import targets as target_assignment
from maskwatch_training.detector.augment import Drawer, Random, Stock
from maskwatch_training.detector.losses import BatchTargets
from maskwatch_training.detector.recipe import Recipe
from maskwatch_training.detector.targets import Targets
from maskwatch_training.views import View, whole


@dataclass(frozen=True)
class Batch:
    """Images (B, 3, S, S) float32 RGB 0..255 in channels-last memory, and their targets."""

    images: Tensor
    targets: BatchTargets


def stock(photos: list[Photo], recipe: Recipe) -> Stock:
    """Decode all photos into memory (about 1 MB each).

    Raises:
        NothingToLearn: No photo is for the backgrounds that the recipe draws.
        PhotoUnreadable: A picture is missing or damaged; the message names it.
    """
    negatives = set(recipe.background_datasets)
    if recipe.draws.background and not any(photo.dataset in negatives for photo in photos):
        raise NothingToLearn("background_datasets: no training photo is of them")
    shown = [whole(decode(photo), photo.boxes_px, photo.labels) for photo in photos]
    shares = np.array([recipe.datasets[photo.dataset] for photo in photos], np.float32)
    return Stock(
        photos=shown,
        shares=shares / shares.sum(),
        faced=[view for view in shown if len(view.labels)],
        backgrounds=[
            view for view, photo in zip(shown, photos, strict=True) if photo.dataset in negatives
        ],
    )


def compose(shown: list[View], *, size_px: int) -> Batch:
    """Stack training images and assign their targets."""
    images = torch.from_numpy(np.stack([view.image for view in shown]))
    assigned = [
        target_assignment.assign(view.boxes_px, view.labels, view.ignored_px, size_px=size_px)
        for view in shown
    ]

    def stacked(
        part: Callable[[Targets], np.ndarray[tuple[int, ...], np.dtype[np.generic]]],
    ) -> Tensor:
        return torch.from_numpy(np.stack([part(one) for one in assigned]))

    return Batch(
        images=images.permute(0, 3, 1, 2).float(),
        targets=BatchTargets(
            heat=stacked(lambda one: one.heat),
            counts=stacked(lambda one: one.counts),
            boxes=stacked(lambda one: one.boxes),
            weights=stacked(lambda one: one.weights),
            labels=stacked(lambda one: one.labels),
        ),
    )


def draw(drawer: Drawer, recipe: Recipe, random: Random, *, progress: float) -> Batch:
    """Draw a batch; `progress` in [0, 1] is how far the run has come."""
    drawn = [drawer.draw(random, progress=progress) for _ in range(recipe.batch_size)]
    return compose(drawn, size_px=recipe.input_size_px)
