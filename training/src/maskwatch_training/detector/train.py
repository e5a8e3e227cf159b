"""The training loop of the detector; its schedule follows the clock."""

from __future__ import annotations

import logging
import math
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import cv2
import torch
from torch import Tensor, nn

from maskwatch_training import checkpoint
from maskwatch_training.checkpoint import Checkpoint, State
from maskwatch_training.datasets import photos as data
from maskwatch_training.detector import batches, pretrained, pruning
from maskwatch_training.detector.augment import Drawer
from maskwatch_training.detector.losses import losses
from maskwatch_training.detector.network import Detector
from maskwatch_training.detector.recipe import Optimiser, Recipe
from maskwatch_training.detector.widths import FULL_WIDTHS

_log = logging.getLogger(__name__)
_LOG_EVERY_STEPS = 20
_LONGEST_STEP_S = 60.0  # what is longer was a pause of the machine, not training


@dataclass(frozen=True)
class Job:
    """Where a run reads and writes."""

    data_folder: Path
    run_folder: Path
    start: Path | None = None  # checkpoint whose weights a new run begins with, pruned to fit
    teacher: Path | None = None  # checkpoint of the full network to imitate

    @property
    def checkpoint_path(self) -> Path:
        """The file that holds the newest checkpoint."""
        return self.run_folder / "checkpoint.pt"


class Run:
    """One training run: network, optimiser, running average, time spent."""

    def __init__(self, recipe: Recipe) -> None:
        self.recipe = recipe
        self.network = Detector(recipe.widths)
        self.teacher: Detector | None = None
        self.network.to(memory_format=torch.channels_last)
        self.optimiser = _optimiser(self.network, recipe.optimiser)
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
            recipe=self.recipe.model_dump(),
            step=self.step,
            elapsed_s=self.elapsed_s,
            weights=self.network.state_dict(),
            averaged=self.averaged,
            optimiser=self.optimiser.state_dict(),
        )

    def begin(self, start: Path | None) -> None:
        """Take the weights of another run, pruned to fit, or those of ImageNet."""
        if start is None:
            full = Detector()
            pretrained.load(full.backbone)
            weights = full.state_dict()
        else:
            weights = checkpoint.read(start).averaged
        self.network.load_state_dict(pruning.prune(weights, self.recipe.widths))
        self.averaged = {k: v.clone() for k, v in self.network.state_dict().items()}

    def learn_from(self, teacher: Path) -> None:
        """Imitate the network of a checkpoint from now on."""
        saved = checkpoint.read(teacher)
        self.teacher = Detector(widths_of(saved))
        self.teacher.load_state_dict(saved.averaged)
        self.teacher.to(memory_format=torch.channels_last)
        self.teacher.eval()

    def restore(self, saved: Checkpoint) -> None:
        """Go on from a checkpoint."""
        self.network.load_state_dict(saved.weights)
        self.averaged = saved.averaged
        self.optimiser.load_state_dict(saved.optimiser)
        self.step, self.elapsed_s = saved.step, saved.elapsed_s

    def learn(self, batch: batches.Batch) -> dict[str, float]:
        """Take one step; gives the three losses."""
        settings = self.recipe.optimiser
        rate = rate_share(self.step, self.progress, settings)
        for group in self.optimiser.param_groups:
            group["lr"] = group["full_rate"] * rate
        raw = self.network(batch.images)
        with torch.no_grad():
            teacher = None if self.teacher is None else self.teacher(batch.images)
        parts = losses(
            raw,
            batch.targets,
            bad_mask_weight=self.recipe.losses.bad_mask_weight,
            teacher=teacher,
        )
        self.optimiser.zero_grad(set_to_none=True)
        parts.total(self.recipe.losses).backward()  # type: ignore[no-untyped-call]
        nn.utils.clip_grad_norm_(self.network.parameters(), settings.clip_norm)
        self.optimiser.step()
        self.step += 1
        self._average(min(settings.ema, (1 + self.step) / (10 + self.step)))
        return {name: float(value.detach()) for name, value in vars(parts).items()}

    @torch.no_grad()
    def _average(self, keep: float) -> None:
        for name, value in self.network.state_dict().items():
            if value.is_floating_point():
                self.averaged[name].lerp_(value, 1 - keep)
            else:
                self.averaged[name].copy_(value)


def widths_of(saved: Checkpoint) -> tuple[int, ...]:
    """Return the widths of the network that a checkpoint holds."""
    return tuple(saved.recipe.get("widths", FULL_WIDTHS))


def rate_share(step: int, progress: float, settings: Optimiser) -> float:
    """Share of the full learning rate: linear warm-up by steps, cosine by elapsed time."""
    cosine = 0.5 * (1 + math.cos(math.pi * progress))
    warm = min(1.0, (step + 1) / max(1, settings.warm_up_steps))
    return warm * (settings.final_share + (1 - settings.final_share) * cosine)


def _optimiser(network: Detector, settings: Optimiser) -> torch.optim.AdamW:
    groups: dict[tuple[bool, bool], list[Tensor]] = {}
    for name, parameter in network.named_parameters():
        key = (name.startswith("backbone."), parameter.ndim > 1)
        groups.setdefault(key, []).append(parameter)
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


def train(
    recipe: Recipe, job: Job, *, clock: Callable[[], float] = time.monotonic
) -> dict[str, float]:
    """Train until the recipe's time is spent; goes on from the job's checkpoint if there is one.

    Returns:
        Steps and minutes of the run in all, and its last losses, averaged.
    """
    torch.set_num_threads(recipe.threads)
    torch.manual_seed(recipe.seed)
    cv2.setNumThreads(1)
    run = Run(recipe)
    if job.checkpoint_path.exists():
        run.restore(checkpoint.read(job.checkpoint_path))
        _log.info("resumed at step %d, %.1f min", run.step, run.elapsed_s / 60)
    else:
        run.begin(job.start)
    if job.teacher is not None:
        run.learn_from(job.teacher)
    photos = data.read(job.data_folder, list(recipe.datasets))
    training, validation = data.split(
        photos,
        share=recipe.validation.share,
        faceless_share=recipe.validation.faceless_share,
        seed=recipe.seed,
    )
    _log.info("photos: %d for training, %d for validation", len(training), len(validation))
    drawer = Drawer(batches.stock(training, recipe), recipe.draws, recipe.input_size_px)
    job.run_folder.mkdir(parents=True, exist_ok=True)
    with batches.Feed(drawer, recipe, seed=recipe.seed + run.step) as feed:
        means = _loop(run, feed, job, clock)
    checkpoint.write(run.snapshot(), job.checkpoint_path)
    _log.info("finished: %d steps in %.1f min", run.step, run.elapsed_s / 60)
    return {"steps": run.step, "minutes": run.elapsed_s / 60, **means}


def _loop(run: Run, feed: batches.Feed, job: Job, clock: Callable[[], float]) -> dict[str, float]:
    saved_s = run.elapsed_s
    means: dict[str, float] = {}
    before = clock()
    while run.progress < 1.0:
        feed.progress = run.progress
        parts = run.learn(feed.take())
        now = clock()
        step_s = min(now - before, _LONGEST_STEP_S)
        run.elapsed_s, before = run.elapsed_s + step_s, now
        means = {k: 0.95 * means.get(k, v) + 0.05 * v for k, v in parts.items()}
        if run.step % _LOG_EVERY_STEPS == 0:
            shown = " ".join(f"{name} {value:.3f}" for name, value in means.items())
            _log.info(
                "step %d  %.1f min  %.0f ms/image  %s",
                run.step,
                run.elapsed_s / 60,
                step_s * 1000 / run.recipe.batch_size,
                shown,
            )
        if run.elapsed_s - saved_s > run.recipe.checkpoint_every_minutes * 60:
            checkpoint.write(run.snapshot(), job.checkpoint_path)
            saved_s = run.elapsed_s
    return means
