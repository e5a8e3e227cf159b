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
    commands.add_training(parser)
    parser.add_argument("--teacher", type=Path, help="checkpoint of the full network to imitate")
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> None:
    """Train until the recipe's time is spent."""
    from maskwatch_training.detector import recipe, train

    job = commands.training_job(options)
    train.train(recipe.read(options.recipe), job, teacher=options.teacher)
