"""The state of a training run, and one step of it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Generic, Protocol, TypeVar

import numpy as np
import torch
from torch import Tensor, nn

from maskwatch_training.checkpoint import Checkpoint
from maskwatch_training.datasets.holdout import Holdout
from maskwatch_training.datasets.photos import Photo
from maskwatch_training.fitting import averaging, optimiser
from maskwatch_training.recipes import Training

Network = TypeVar("Network", bound=nn.Module)
Batch = TypeVar("Batch")


@dataclass(frozen=True)
class Losses:
    """What a step makes smaller, `total`, and the parts that the log shows."""

    total: Tensor
    parts: Mapping[str, Tensor]


class Learner(Protocol[Network, Batch]):
    """What one kind of model brings to a run."""

    @property
    def step(self) -> str:
        """The name of the step, for the record."""

    @property
    def recipe(self) -> Training:
        """What decides the run."""

    @property
    def sources(self) -> Mapping[str, Path]:
        """The files, by their role, that decide the result besides data and start."""

    def build(self) -> Network:
        """Build the network."""

    def begin(self, network: Network, start: Path | None) -> None:
        """Give a new run its first weights: those of a checkpoint, or the model's own."""

    def is_backbone(self, network: Network, name: str) -> bool:
        """Say whether a parameter learns at the backbone's rate."""

    def losses(self, network: Network, batch: Batch) -> Losses:
        """Judge a batch."""

    def photos(self, folder: Path) -> Holdout:
        """Read the photos to learn from, and those held back."""

    def batches(
        self, training: list[Photo], random: np.random.Generator
    ) -> Callable[[float], Batch]:
        """Give what draws a batch; it is told the run's progress in [0, 1]."""


class Run(Generic[Network, Batch]):
    """One training run: network, optimiser, running average, time spent."""

    def __init__(self, learner: Learner[Network, Batch]) -> None:
        self.learner = learner
        self.network = learner.build()
        self.network.to(memory_format=torch.channels_last)
        self.optimiser = optimiser.build(
            self.network,
            learner.recipe.optimiser,
            lambda name: learner.is_backbone(self.network, name),
        )
        self.averaged = averaging.copied(self.network)
        self.step = 0
        self.elapsed_s = 0.0

    @property
    def progress(self) -> float:
        """Share of the recipe's time that is spent, in [0, 1]."""
        return min(1.0, self.elapsed_s / (self.learner.recipe.minutes * 60))

    def snapshot(self) -> Checkpoint:
        """Give all that is needed to go on from here."""
        return Checkpoint(
            recipe=self.learner.recipe.model_dump(mode="json"),
            step=self.step,
            elapsed_s=self.elapsed_s,
            weights=self.network.state_dict(),
            averaged=self.averaged,
            optimiser=self.optimiser.state_dict(),
        )

    def begin(self, start: Path | None) -> None:
        """Take the first weights, of another run or the model's own."""
        self.learner.begin(self.network, start)
        self.averaged = averaging.copied(self.network)

    def restore(self, saved: Checkpoint) -> None:
        """Go on from a checkpoint."""
        self.network.load_state_dict(saved.weights)
        self.optimiser.load_state_dict(saved.optimiser)
        self.averaged = saved.averaged
        self.step, self.elapsed_s = saved.step, saved.elapsed_s

    def learn(self, batch: Batch) -> dict[str, float]:
        """Take one step; gives the parts of the loss."""
        settings = self.learner.recipe.optimiser
        share = optimiser.rate_share(self.step, self.progress, settings)
        optimiser.set_rate(self.optimiser, share)
        self.network.train()
        losses = self.learner.losses(self.network, batch)
        self.optimiser.zero_grad(set_to_none=True)
        losses.total.backward()  # type: ignore[no-untyped-call]
        nn.utils.clip_grad_norm_(self.network.parameters(), settings.clip_norm)
        self.optimiser.step()
        self.step += 1
        averaging.update(self.averaged, self.network, averaging.keep(self.step, settings.ema))
        return {name: float(value.detach()) for name, value in losses.parts.items()}
