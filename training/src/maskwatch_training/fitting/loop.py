"""The training loop; its schedule follows the clock."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable

import cv2
import numpy as np
import torch

from maskwatch_training import checkpoint, record
from maskwatch_training.datasets.holdout import Holdout
from maskwatch_training.feed import Feed
from maskwatch_training.fitting.job import Job
from maskwatch_training.fitting.run import Batch, Learner, Network, Run

_log = logging.getLogger(__name__)
_LOG_EVERY_S = 15.0  # of training time
_LONGEST_STEP_S = 60.0  # what is longer was a pause of the machine, not training
_KEPT = 0.98  # of the means that the log shows, a step


def train(
    learner: Learner[Network, Batch], job: Job, *, clock: Callable[[], float] = time.monotonic
) -> None:
    """Train until the recipe's time is spent; goes on from the job's checkpoint if there is one.

    Writes the checkpoint, from time to time and at the end, and `record-<step>.json`.

    Raises:
        CheckpointUnreadable: A checkpoint is damaged.
        CheckpointUnfit: One is of another network.
        InvalidAnnotation, ContradictorySplit, NothingToLearn: The data cannot be used as it is.
    """
    recipe = learner.recipe
    torch.set_num_threads(recipe.threads)
    torch.manual_seed(recipe.seed)
    cv2.setNumThreads(1)
    run = _run(learner, job)
    found = learner.photos(job.data_folder)
    random = np.random.default_rng(recipe.seed + run.step)
    with record.recording(_about(learner, job, found)) as results:
        draw = learner.batches(found.training, random)
        with Feed(lambda: draw(run.progress)) as feed:
            means = _loop(run, feed, job, clock)
        checkpoint.write(run.snapshot(), job.checkpoint_path)
        results |= {"steps": run.step, "minutes": round(run.elapsed_s / 60, 2), **means}
    _log.info("finished: %d steps in %.1f min", run.step, run.elapsed_s / 60)


def _run(learner: Learner[Network, Batch], job: Job) -> Run[Network, Batch]:
    run = Run(learner)
    if job.checkpoint_path.exists():
        saved = checkpoint.read(job.checkpoint_path)
        with checkpoint.loading(job.checkpoint_path):
            run.restore(saved)
        _log.info("resumed at step %d, %.1f min", run.step, run.elapsed_s / 60)
    else:
        run.begin(job.start)
    return run


def _about(learner: Learner[Network, Batch], job: Job, found: Holdout) -> record.Job:
    others = dict(learner.sources) | ({"start": job.start} if job.start else {})
    named = {role: str(path) for role, path in others.items()}
    return record.Job(
        step=learner.step,
        folder=job.run_folder,
        seed=learner.recipe.seed,
        settings=learner.recipe.model_dump(mode="json") | named | {"held_back": found.origin},
        data=[*found.sources, *others.values()],
    )


def _loop(
    run: Run[Network, Batch], feed: Feed[Batch], job: Job, clock: Callable[[], float]
) -> dict[str, float]:
    recipe = run.learner.recipe
    saved_s = logged_s = run.elapsed_s
    means: dict[str, float] = {}
    before = clock()
    while run.progress < 1.0:
        parts = run.learn(feed.take())
        now = clock()
        step_s = min(now - before, _LONGEST_STEP_S)
        run.elapsed_s, before = run.elapsed_s + step_s, now
        means = {k: _KEPT * means.get(k, v) + (1 - _KEPT) * v for k, v in parts.items()}
        if run.elapsed_s - logged_s >= _LOG_EVERY_S:
            _tell(run, step_s * 1000 / recipe.batch_size, means)
            logged_s = run.elapsed_s
        if run.elapsed_s - saved_s > recipe.checkpoint_every_minutes * 60:
            checkpoint.write(run.snapshot(), job.checkpoint_path)
            saved_s = run.elapsed_s
    return {name: round(value, 4) for name, value in means.items()}


def _tell(run: Run[Network, Batch], image_ms: float, means: dict[str, float]) -> None:
    spent = f"{run.elapsed_s / 60:.1f} of {run.learner.recipe.minutes:g} min"
    shown = " ".join(f"{name} {value:.3f}" for name, value in means.items())
    _log.info("step %d  %s  %.0f ms/image  %s", run.step, spent, image_ms, shown)
