"""`classifier`: train the mask classifier of face crops, or the microcontroller's."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

from maskwatch_training import commands

if TYPE_CHECKING:
    from maskwatch_training.commands import Steps


def add(steps: Steps) -> None:
    """Declare the sub-command."""
    parser = steps.add_parser("classifier", help="train the mask classifier of face crops")
    commands.add_training(parser)
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> None:
    """Train until the recipe's time is spent."""
    from maskwatch_training.classifier import recipe, train

    train.train(recipe.read(options.recipe), commands.training_job(options))
