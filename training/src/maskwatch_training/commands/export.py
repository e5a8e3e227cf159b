"""`export`: write model files and their manifests from a checkpoint."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from maskwatch_training import commands, task
from maskwatch_training.commands import UsageError

if TYPE_CHECKING:
    from maskwatch_training.commands import Steps


def add(steps: Steps) -> None:
    """Declare the sub-command."""
    parser = steps.add_parser("export", help="write model files and manifests from a checkpoint")
    commands.add_recipe(parser)
    parser.add_argument("--checkpoint", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True, help="folder of the models")
    parser.add_argument("--version", required=True)
    parser.add_argument("--unsure-below", type=float, required=True, help="class probability")
    parser.add_argument("--bad-mask-logit", type=float, default=0.0, help="added to its logit")
    parser.add_argument("--figures", type=Path, help="figures.json of evaluate, float file")
    parser.add_argument("--int8-figures", type=Path, help="the same of the int8 file")
    detector = parser.add_argument_group("a detector's recipe")
    detector.add_argument("--score", type=float, help="threshold, from evaluate; needed")
    detector.add_argument("--temperature", type=float, default=1.0, help="of the classes")
    classifier = parser.add_argument_group("a classifier's recipe")
    classifier.add_argument("--weight", type=float, default=0.5, help="beside the detector's")
    classifier.add_argument("--veto", type=float, default=0.0, help="of no_face, on the score")
    classifier.add_argument("--least-side", type=float, default=0.0, help="of a face, px")
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> None:
    """Export and print the manifests' paths."""
    if task.of(options.recipe) == task.CLASSIFIER:
        _export_classifier(options)
    else:
        _export_detector(options)


def _export_detector(options: argparse.Namespace) -> None:
    from maskwatch_training.detector import decode, recipe, release
    from maskwatch_training.detector.export import Adjustment
    from maskwatch_training.detector.manifest import Thresholds

    if options.score is None:
        raise UsageError("--score: a detector needs its threshold")
    order = release.Order(
        checkpoint=options.checkpoint,
        data_folder=commands.data_folder(options),
        out=options.out,
        version=options.version,
        thresholds=Thresholds(
            score=commands.share(options.score, "--score"),
            nms_iou=release.NMS_IOU,
            vote_iou=decode.VOTE_IOU,
            unsure_below=commands.share(options.unsure_below, "--unsure-below"),
        ),
        adjustment=Adjustment(options.bad_mask_logit, options.temperature),
        figures=options.figures,
        int8_figures=options.int8_figures,
    )
    for path in release.write(order, recipe.read(options.recipe)):
        print(path)


def _export_classifier(options: argparse.Namespace) -> None:
    from maskwatch_training.classifier import recipe, release
    from maskwatch_training.classifier.manifest import Use

    order = release.Order(
        checkpoint=options.checkpoint,
        data_folder=commands.data_folder(options),
        out=options.out,
        version=options.version,
        use=Use(
            weight=commands.share(options.weight, "--weight"),
            veto=commands.share(options.veto, "--veto"),
            unsure_below=commands.share(options.unsure_below, "--unsure-below"),
            least_side_px=options.least_side,
        ),
        bad_mask_logit=options.bad_mask_logit,
        figures=options.figures,
        int8_figures=options.int8_figures,
    )
    for path in release.write(order, recipe.read(options.recipe)):
        print(path)
