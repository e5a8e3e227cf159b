"""`detector`: train the face detector."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from maskwatch_training import commands

if TYPE_CHECKING:
    from maskwatch_training.commands import Steps


def add(steps: Steps) -> None:
    """Declare the sub-command."""
    parser = steps.add_parser("detector", help="train the face detector")
    commands.add_recipe(parser)
    parser.add_argument("--out", type=Path, required=True, help="folder of the run")
    parser.add_argument("--resume", action="store_true", help="go on from its checkpoint")
    parser.add_argument("--start", type=Path, help="begin with a checkpoint's weights, pruned")
    parser.add_argument("--teacher", type=Path, help="checkpoint of the full network to imitate")
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> None:
    """Train until the recipe's time is spent."""
    from maskwatch_training import record
    from maskwatch_training.detector import recipe, train

    job = train.Job(
        data_folder=commands.data_folder(options),
        run_folder=options.out,
        start=options.start,
        teacher=options.teacher,
    )
    if job.checkpoint_path.exists() and not options.resume:
        raise FileExistsError(f"{job.checkpoint_path}: --resume to go on, or another --out")
    plan = recipe.read(options.recipe)
    used = [job.data_folder / "train" / f"{name}.jsonl" for name in plan.datasets]
    about = record.Job(
        step="detector",
        folder=job.run_folder,
        seed=plan.seed,
        settings=plan.model_dump(mode="json"),
        data=[*used, *(path for path in (job.start, job.teacher) if path is not None)],
    )
    with record.recording(about) as results:
        results.update(train.train(plan, job))
