"""The command `maskwatch-train`."""

from __future__ import annotations

import argparse
import json
import logging
import os
import sys
from collections.abc import Sequence
from pathlib import Path

from maskwatch_training import recipe, train

_DATA_VARIABLE = "MASKWATCH_TRAINING_DATA"


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one step; gives the exit status."""
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s")
    options = _parser().parse_args(arguments)
    folder = options.data or os.environ.get(_DATA_VARIABLE)
    if folder is None:
        print(f"say where the photos are: --data or {_DATA_VARIABLE}", file=sys.stderr)
        return 2
    options.data = Path(folder)
    try:
        options.run(options)
    except (ValueError, OSError) as error:
        print(f"{type(error).__name__}: {error}", file=sys.stderr)
        return 1
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="maskwatch-train", description=__doc__)
    steps = parser.add_subparsers(required=True, metavar="step")

    detector = steps.add_parser("detector", help="train the face detector")
    _add_common(detector)
    detector.add_argument("--out", type=Path, required=True, help="folder of the run")
    detector.add_argument("--resume", action="store_true", help="go on from its checkpoint")
    detector.set_defaults(run=_detector)

    evaluate = steps.add_parser("evaluate", help="measure an exported model")
    _add_common(evaluate)
    evaluate.add_argument("--model", type=Path, required=True, help=".tflite file")
    evaluate.add_argument("--score", type=float, default=0.35, help="threshold of the figures")
    evaluate.add_argument("--out", type=Path, required=True, help="folder of the results")
    evaluate.set_defaults(run=_evaluate)

    export = steps.add_parser("export", help="write .tflite and manifest from a checkpoint")
    _add_common(export)
    export.add_argument("--checkpoint", type=Path, required=True)
    export.add_argument("--out", type=Path, required=True, help="folder of the models")
    export.add_argument("--version", required=True)
    export.add_argument("--int8", action="store_true", help="the int8 file instead of float32")
    export.add_argument("--score", type=float, required=True, help="threshold, from evaluate")
    export.add_argument("--unsure-below", type=float, required=True, help="class probability")
    export.add_argument("--bad-mask-logit", type=float, default=0.0, help="added to its logit")
    export.add_argument("--figures", type=Path, help="figures.json of evaluate")
    export.set_defaults(run=_export)
    return parser


def _add_common(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--recipe", type=Path, required=True)
    parser.add_argument("--data", type=Path, help=f"data folder; else {_DATA_VARIABLE}")


def _detector(options: argparse.Namespace) -> None:
    job = train.Job(data_folder=options.data, run_folder=options.out)
    if job.checkpoint_path.exists() and not options.resume:
        raise FileExistsError(f"{job.checkpoint_path}: --resume to go on, or another --out")
    train.train(recipe.read(options.recipe), job)


def _evaluate(options: argparse.Namespace) -> None:
    # Here, not above: it loads the interpreter, which training does without.
    from maskwatch_training import validation  # noqa: PLC0415

    plan = recipe.read(options.recipe)
    figures = validation.measure(
        validation.Subject(options.model, options.data, options.out), plan, score_min=options.score
    )
    print(json.dumps(figures, indent=2))


def _export(options: argparse.Namespace) -> None:
    # Here, not above: they load the converter, which training does without.
    from maskwatch_training import release  # noqa: PLC0415
    from maskwatch_training.manifest import Thresholds  # noqa: PLC0415

    order = release.Order(
        checkpoint=options.checkpoint,
        data_folder=options.data,
        out=options.out,
        version=options.version,
        thresholds=Thresholds(options.score, release.NMS_IOU, options.unsure_below),
        bad_mask_logit=options.bad_mask_logit,
        figures=options.figures,
    )
    write = release.write_int8 if options.int8 else release.write_float
    print(write(order, recipe.read(options.recipe)))


if __name__ == "__main__":
    sys.exit(main())
