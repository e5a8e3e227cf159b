"""The training loop of the classifier; its schedule follows the clock."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from maskwatch_training import checkpoint, record
from maskwatch_training.checkpoint import Checkpoint, State
from maskwatch_training.classifier import network, stock
from maskwatch_training.classifier.draw import Drawer
from maskwatch_training.classifier.network import Classifier
from maskwatch_training.classifier.recipe import Recipe
from maskwatch_training.detector.recipe import Optimiser
from maskwatch_training.detector.tflite import Model
from maskwatch_training.detector.train import rate_share
from maskwatch_training.feed import Feed

_log = logging.getLogger(__name__)
_LOG_EVERY_STEPS = 100
_FRESH = ("last.", "dropout.")  # layers without pretrained weights, besides the head convolution


@dataclass(frozen=True)
class Job:
    """Where a run reads and writes; `start` is a checkpoint to begin with."""

    data_folder: Path
    run_folder: Path
    start: Path | None = None

    @property
    def checkpoint_path(self) -> Path:
        """The file that holds the newest checkpoint."""
        return self.run_folder / "checkpoint.pt"


@dataclass(frozen=True)
class Batch:
    """Cuts (B, C, S, S) float32 in 0..255, channels-last memory, and their labels (B,)."""

    images: Tensor
    labels: Tensor


class Run:
    """One training run: network, optimiser, running average, time spent."""

    def __init__(self, recipe: Recipe) -> None:
        self.recipe = recipe
        self.network = network.build(recipe)
        self.network.to(memory_format=torch.channels_last)
        self.optimiser = _optimiser(self.network, recipe)
        self.averaged: State = {k: v.clone() for k, v in self.network.state_dict().items()}
        self.step = 0
        self.elapsed_s = 0.0

    @property
    def progress(self) -> float:
        """Share of the recipe's time that is spent, in [0, 1]."""
        return min(1.0, self.elapsed_s / (self.recipe.minutes * 60))

    def snapshot(self) -> Checkpoint:
        """Give all that is needed to go on from here."""
        return Checkpoint(
            recipe=self.recipe.model_dump(mode="json"),
            step=self.step,
            elapsed_s=self.elapsed_s,
            weights=self.network.state_dict(),
            averaged=self.averaged,
            optimiser=self.optimiser.state_dict(),
        )

    def restore(self, saved: Checkpoint) -> None:
        """Go on from a checkpoint."""
        self.network.load_state_dict(saved.weights)
        self.averaged = saved.averaged
        self.optimiser.load_state_dict(saved.optimiser)
        self.step, self.elapsed_s = saved.step, saved.elapsed_s

    def begin_with(self, other: Checkpoint) -> None:
        """Take over what fits of another run's weights."""
        taken = network.begin_with(self.network, other.averaged)
        self.averaged = {k: v.clone() for k, v in self.network.state_dict().items()}
        _log.info("took over %d of %d tensors", taken, len(self.averaged))

    def learn(self, batch: Batch) -> float:
        """Take one step; gives the loss."""
        settings = self.recipe.optimiser
        rate = rate_share(self.step, self.progress, settings)
        for group in self.optimiser.param_groups:
            group["lr"] = group["full_rate"] * rate
        self.network.train()
        loss = functional.cross_entropy(
            self.network(batch.images),
            batch.labels,
            label_smoothing=self.recipe.label_smoothing,
        )
        self.optimiser.zero_grad(set_to_none=True)
        loss.backward()  # type: ignore[no-untyped-call]
        nn.utils.clip_grad_norm_(self.network.parameters(), settings.clip_norm)
        self.optimiser.step()
        self.step += 1
        self._average(min(settings.ema, (1 + self.step) / (10 + self.step)))
        return float(loss.detach())

    @torch.no_grad()
    def _average(self, keep: float) -> None:
        for name, value in self.network.state_dict().items():
            if value.is_floating_point():
                self.averaged[name].lerp_(value, 1 - keep)
            else:
                self.averaged[name].copy_(value)


def train(recipe: Recipe, job: Job, *, clock: Callable[[], float] = time.monotonic) -> None:
    """Train until the recipe's time is spent; goes on from the job's checkpoint if there is one."""
    torch.set_num_threads(recipe.threads)
    torch.manual_seed(recipe.seed)
    cv2.setNumThreads(1)
    run = Run(recipe)
    if job.checkpoint_path.exists():
        run.restore(checkpoint.read(job.checkpoint_path))
        _log.info("resumed at step %d, %.1f min", run.step, run.elapsed_s / 60)
    elif job.start is not None:
        run.begin_with(checkpoint.read(job.start))
    done = record.Job(
        step="classifier",
        folder=job.run_folder,
        seed=recipe.seed,
        settings=recipe.model_dump(mode="json"),
        data=_sources(recipe, job),
    )
    with record.recording(done) as results:
        training, validation = stock.split(job.data_folder, recipe)
        _log.info("photos: %d for training, %d held back", len(training), len(validation))
        drawer = Drawer(stock.gather(training, recipe, Model(recipe.detector)), recipe)
        random = np.random.default_rng(recipe.seed + run.step)
        with Feed(lambda: compose(drawer, recipe, random)) as feed:
            loss = _loop(run, feed, job, clock)
        checkpoint.write(run.snapshot(), job.checkpoint_path)
        results |= {"steps": run.step, "minutes": round(run.elapsed_s / 60, 1), "loss": loss}
    _log.info("finished: %d steps in %.1f min", run.step, run.elapsed_s / 60)


def _sources(recipe: Recipe, job: Job) -> list[Path]:
    annotations = [job.data_folder / "train" / f"{name}.jsonl" for name in recipe.datasets]
    return [*annotations, recipe.detector, *([job.start] if job.start else [])]


def compose(drawer: Drawer, recipe: Recipe, random: np.random.Generator) -> Batch:
    """Draw a batch."""
    drawn = [drawer.draw(random) for _ in range(recipe.batch_size)]
    images = torch.from_numpy(np.stack([image for image, _ in drawn]))
    labels = torch.tensor([label for _, label in drawn])
    return Batch(images.permute(0, 3, 1, 2).float(), labels)


def _loop(run: Run, feed: Feed[Batch], job: Job, clock: Callable[[], float]) -> float:
    saved_s, mean, before = run.elapsed_s, float("nan"), clock()
    while run.progress < 1.0:
        loss = run.learn(feed.take())
        now = clock()
        step_s = now - before
        run.elapsed_s, before = run.elapsed_s + step_s, now
        mean = loss if np.isnan(mean) else 0.98 * mean + 0.02 * loss
        if run.step % _LOG_EVERY_STEPS == 0:
            spent = f"{run.elapsed_s / 60:.1f} of {run.recipe.minutes:g} min"
            _log.info("step %d  %s  %.0f ms  loss %.3f", run.step, spent, step_s * 1000, mean)
        if run.elapsed_s - saved_s > run.recipe.checkpoint_every_minutes * 60:
            checkpoint.write(run.snapshot(), job.checkpoint_path)
            saved_s = run.elapsed_s
    return round(mean, 4)


def _optimiser(module: Classifier, recipe: Recipe) -> torch.optim.AdamW:
    settings: Optimiser = recipe.optimiser
    is_pretrained = recipe.network.kind == "efficientnet_lite0"
    head = f"features.{len(module.features) - 1}."
    groups: dict[tuple[bool, bool], list[Tensor]] = {}
    for name, parameter in module.named_parameters():
        if not parameter.requires_grad:
            continue
        is_backbone = is_pretrained and not name.startswith((*_FRESH, head))
        groups.setdefault((is_backbone, parameter.ndim > 1), []).append(parameter)
    return torch.optim.AdamW(
        [
            {
                "params": parameters,
                "full_rate": settings.backbone_rate if is_backbone else settings.head_rate,
                "weight_decay": settings.weight_decay if is_weight else 0.0,
            }
            for (is_backbone, is_weight), parameters in groups.items()
        ],
        lr=settings.head_rate,
    )
