"""What the detector brings to a training run."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

import numpy as np
import torch

from maskwatch_training import checkpoint
from maskwatch_training.checkpoint import Checkpoint
from maskwatch_training.datasets.holdout import Holdout
from maskwatch_training.datasets.photos import Photo
from maskwatch_training.detector import batches, losses, pretrained, pruning, scenes
from maskwatch_training.detector.augment import Drawer
from maskwatch_training.detector.batches import Batch
from maskwatch_training.detector.network import Detector
from maskwatch_training.detector.recipe import Recipe
from maskwatch_training.detector.widths import FULL_WIDTHS
from maskwatch_training.fitting import loop
from maskwatch_training.fitting.job import Job
from maskwatch_training.fitting.run import Losses


@dataclass(frozen=True)
class Teacher:
    """A network to imitate and the checkpoint it comes from."""

    path: Path
    network: Detector


@dataclass(frozen=True)
class Learner:
    """A detector of a recipe, with or without a teacher."""

    step: ClassVar[str] = "detector"
    recipe: Recipe
    teacher: Teacher | None = None

    @property
    def sources(self) -> Mapping[str, Path]:
        """The teacher's checkpoint."""
        return {} if self.teacher is None else {"teacher": self.teacher.path}

    def build(self) -> Detector:
        """Build the network, as wide as the recipe says."""
        return Detector(self.recipe.widths)

    def begin(self, network: Detector, start: Path | None) -> None:
        """Take the weights of another run, or those of ImageNet, pruned to fit."""
        widths = self.recipe.widths
        if start is None:
            full = Detector()
            pretrained.load(full.backbone)
            network.load_state_dict(pruning.prune(full.state_dict(), widths))
            return
        saved = checkpoint.read(start)
        with checkpoint.loading(start):
            network.load_state_dict(pruning.prune(saved.averaged, widths))

    def is_backbone(self, _: Detector, name: str) -> bool:
        """Say whether a parameter has ImageNet weights."""
        return name.startswith("backbone.")

    def losses(self, network: Detector, batch: Batch) -> Losses:
        """Compare with the truth, and with the teacher if there is one."""
        raw = network(batch.images)
        with torch.no_grad():
            told = None if self.teacher is None else self.teacher.network(batch.images)
        weights = self.recipe.losses
        parts = losses.losses(
            raw, batch.targets, bad_mask_weight=weights.bad_mask_weight, teacher=told
        )
        return Losses(parts.total(weights), vars(parts))

    def photos(self, folder: Path) -> Holdout:
        """Read the scenes."""
        return scenes.read(folder, self.recipe)

    def batches(
        self, training: list[Photo], random: np.random.Generator
    ) -> Callable[[float], Batch]:
        """Decode the photos and give what draws from them."""
        recipe = self.recipe
        drawer = Drawer(batches.stock(training, recipe), recipe.draws, recipe.input_size_px)
        return lambda progress: batches.draw(drawer, recipe, random, progress=progress)


def read_teacher(path: Path) -> Teacher:
    """Read the network to imitate.

    Raises:
        CheckpointUnreadable: The file is missing or damaged.
        CheckpointUnfit: It holds no detector.
    """
    saved = checkpoint.read(path)
    network = Detector(widths_of(saved))
    with checkpoint.loading(path):
        network.load_state_dict(saved.averaged)
    network.to(memory_format=torch.channels_last)
    return Teacher(path, network.eval())


def widths_of(saved: Checkpoint) -> tuple[int, ...]:
    """Return the widths of the network that a checkpoint holds."""
    return tuple(saved.recipe.get("widths", FULL_WIDTHS))


def train(
    recipe: Recipe,
    job: Job,
    *,
    teacher: Path | None = None,
    clock: Callable[[], float] = time.monotonic,
) -> None:
    """Train a detector as `fitting.loop.train` does; `teacher` is a checkpoint to imitate."""
    told = None if teacher is None else read_teacher(teacher)
    loop.train(Learner(recipe, told), job, clock=clock)
