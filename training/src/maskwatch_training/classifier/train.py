"""What the classifier brings to a training run."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from maskwatch_training import checkpoint
from maskwatch_training.classifier import network as networks
from maskwatch_training.classifier import stock
from maskwatch_training.classifier.draw import Drawer
from maskwatch_training.classifier.network import Classifier
from maskwatch_training.classifier.recipe import Recipe
from maskwatch_training.datasets import holdout
from maskwatch_training.datasets.holdout import Holdout
from maskwatch_training.datasets.photos import Photo
from maskwatch_training.detector.tflite import Model
from maskwatch_training.fitting import loop
from maskwatch_training.fitting.job import Job
from maskwatch_training.fitting.run import Losses

_log = logging.getLogger(__name__)
_FRESH = ("last.", "dropout.")  # layers without pretrained weights, besides the head convolution


@dataclass(frozen=True)
class Batch:
    """Cuts (B, C, S, S) float32 in 0..255, channels-last memory, and their labels (B,)."""

    images: Tensor
    labels: Tensor


@dataclass(frozen=True)
class Learner:
    """A classifier of a recipe."""

    step: ClassVar[str] = "classifier"
    recipe: Recipe

    @property
    def sources(self) -> Mapping[str, Path]:
        """The detector whose false alarms are cuts without a face."""
        return {"detector": self.recipe.detector}

    def build(self) -> Classifier:
        """Build the network, with ImageNet weights where it has them."""
        return networks.build(self.recipe)

    def begin(self, network: Classifier, start: Path | None) -> None:
        """Take over what fits of another run's weights."""
        if start is not None:
            taken = networks.begin_with(network, checkpoint.read(start).averaged)
            _log.info("took over %d of %d tensors", taken, len(network.state_dict()))

    def is_backbone(self, network: Classifier, name: str) -> bool:
        """Say whether a parameter has ImageNet weights."""
        head = f"features.{len(network.features) - 1}."
        is_pretrained = self.recipe.network.kind == "efficientnet_lite0"
        return is_pretrained and not name.startswith((*_FRESH, head))

    def losses(self, network: Classifier, batch: Batch) -> Losses:
        """Give the cross-entropy."""
        smoothing = self.recipe.label_smoothing
        logits = network(batch.images)
        loss = functional.cross_entropy(logits, batch.labels, label_smoothing=smoothing)
        return Losses(loss, {"loss": loss})

    def photos(self, folder: Path) -> Holdout:
        """Read the photos, scenes and crops alike."""
        return holdout.read(folder, self.recipe)

    def batches(
        self, training: list[Photo], random: np.random.Generator
    ) -> Callable[[float], Batch]:
        """Cut the patches and give what draws from them."""
        pools = stock.gather(training, self.recipe, Model(self.recipe.detector))
        drawer = Drawer(pools, self.recipe)
        return lambda _: compose(drawer, self.recipe, random)


def compose(drawer: Drawer, recipe: Recipe, random: np.random.Generator) -> Batch:
    """Draw a batch."""
    drawn = [drawer.draw(random) for _ in range(recipe.batch_size)]
    images = torch.from_numpy(np.stack([image for image, _ in drawn]))
    labels = torch.tensor([label for _, label in drawn])
    return Batch(images.permute(0, 3, 1, 2).float(), labels)


def train(recipe: Recipe, job: Job, *, clock: Callable[[], float] = time.monotonic) -> None:
    """Train a classifier as `fitting.loop.train` does."""
    loop.train(Learner(recipe), job, clock=clock)
