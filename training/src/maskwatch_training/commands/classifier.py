"""`classifier`: train the mask classifier of face crops, or the microcontroller's."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from maskwatch_training import commands

if TYPE_CHECKING:
    from maskwatch_training.commands import Steps


def add(steps: Steps) -> None:
    """Declare the sub-command."""
    parser = steps.add_parser("classifier", help="train the mask classifier of face crops")
    commands.add_recipe(parser)
    parser.add_argument("--out", type=Path, required=True, help="folder of the run")
    parser.add_argument("--resume", action="store_true", help="go on from its checkpoint")
    parser.add_argument("--start", type=Path, help="checkpoint to begin with")
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> None:
    """Train until the recipe's time is spent."""
    from maskwatch_training.classifier import recipe, train

    job = train.Job(
        data_folder=commands.data_folder(options),
        run_folder=options.out,
        start=options.start,
    )
    if job.checkpoint_path.exists() and not options.resume:
        raise FileExistsError(f"{job.checkpoint_path}: --resume to go on, or another --out")
    train.train(recipe.read(options.recipe), job)
