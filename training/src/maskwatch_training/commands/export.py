"""`export`: write a model file and its manifest from a checkpoint."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from maskwatch_training import commands

if TYPE_CHECKING:
    from maskwatch_training.commands import Steps


def add(steps: Steps) -> None:
    """Declare the sub-command."""
    parser = steps.add_parser("export", help="write .tflite and manifest from a checkpoint")
    commands.add_recipe(parser)
    parser.add_argument("--checkpoint", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True, help="folder of the models")
    parser.add_argument("--version", required=True)
    parser.add_argument("--int8", action="store_true", help="the int8 file instead of float32")
    parser.add_argument("--score", type=float, required=True, help="threshold, from evaluate")
    parser.add_argument("--unsure-below", type=float, required=True, help="class probability")
    parser.add_argument("--bad-mask-logit", type=float, default=0.0, help="added to its logit")
    parser.add_argument("--figures", type=Path, help="figures.json of evaluate")
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> None:
    """Export and print the manifest's path."""
    from maskwatch_training.detector import recipe, release
    from maskwatch_training.detector.manifest import Thresholds

    order = release.Order(
        checkpoint=options.checkpoint,
        data_folder=commands.data_folder(options),
        out=options.out,
        version=options.version,
        thresholds=Thresholds(options.score, release.NMS_IOU, options.unsure_below),
        bad_mask_logit=options.bad_mask_logit,
        figures=options.figures,
    )
    write = release.write_int8 if options.int8 else release.write_float
    print(write(order, recipe.read(options.recipe)))
