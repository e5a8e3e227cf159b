"""`evaluate`: measure an exported model on the pictures that its recipe holds back."""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import TYPE_CHECKING

from maskwatch_training import commands, task

if TYPE_CHECKING:
    from maskwatch_training.commands import Steps


def add(steps: Steps) -> None:
    """Declare the sub-command."""
    parser = steps.add_parser("evaluate", help="measure an exported model")
    commands.add_recipe(parser)
    parser.add_argument("--model", type=Path, required=True, help=".tflite file")
    parser.add_argument("--score", type=float, default=0.35, help="detector's threshold")
    parser.add_argument("--detector", type=Path, help="before a classifier; else its recipe's")
    parser.add_argument("--out", type=Path, required=True, help="folder of the results")
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> None:
    """Measure, write the results and print the figures."""
    measure = _classifier if task.of(options.recipe) == task.CLASSIFIER else _detector
    print(json.dumps(measure(options), indent=2))


def _detector(options: argparse.Namespace) -> dict[str, object]:
    from maskwatch_training.detector import recipe, validation

    subject = validation.Subject(options.model, commands.data_folder(options), options.out)
    plan = recipe.read(options.recipe)
    return validation.measure(subject, plan, score_min=options.score)


def _classifier(options: argparse.Namespace) -> dict[str, object]:
    from maskwatch_training.classifier import recipe, validation

    plan = recipe.read(options.recipe)
    subject = validation.Subject(
        model=options.model,
        data_folder=commands.data_folder(options),
        detector=options.detector or plan.detector,
        out=options.out,
    )
    return validation.measure(subject, plan, score_min=options.score)
