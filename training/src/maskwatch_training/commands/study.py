"""`study`: compare backbones on the same faces."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from maskwatch_training import commands
from maskwatch_training.commands import UsageError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from maskwatch_training.commands import Steps

_RECIPE = Path(__file__).parents[3] / "recipes" / "study.yml"  # in the repository


def add(steps: Steps) -> None:
    """Declare the sub-command."""
    parser = steps.add_parser("study", help="compare backbones on the same faces; writes a report")
    parser.add_argument(
        "--recipe", type=Path, default=_RECIPE, help="else training/recipes/study.yml"
    )
    commands.add_data(parser)
    parser.add_argument("--out", type=Path, required=True, help="folder of the study")
    parser.add_argument("--quick", action="store_true", help="tiny subset, one epoch: does it run?")
    parser.add_argument("--backbones", nargs="+", metavar="NAME", help="else all")
    parser.add_argument(
        "--weights",
        action="append",
        default=[],
        metavar="NAME=PATH",
        help="weight file of a backbone; may be given again",
    )
    parser.add_argument("--tracking", choices=("mlflow", "wandb", "none"), default="mlflow")
    parser.add_argument("--resume", action="store_true", help="run what is not finished yet")
    parser.add_argument("--keep-weights", action="store_true", help="keep each row's weights")
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> None:
    """Run the study and write its report, also when it is interrupted."""
    if not options.recipe.is_file():
        raise UsageError(f"--recipe {options.recipe}: there is no such file")
    from maskwatch_training.study import recipe, report, run, tracking, trial
    from maskwatch_training.study.backbones import BACKBONES

    order = trial.Order(
        data=commands.data_folder(options),
        out=options.out,
        recipe=recipe.read(options.recipe, over="quick" if options.quick else None),
        is_quick=options.quick,
        names=_chosen(options.backbones, list(BACKBONES)),
        files=_files(options.weights, list(BACKBONES)),
        is_resumed=options.resume,
        keeps_weights=options.keep_weights,
    )
    try:
        run.run(order, lambda: tracking.tracker(options.tracking, options.out))
    finally:
        if (options.out / "study.json").is_file():
            for path in report.write(options.out):
                print(path)


def _chosen(names: Sequence[str] | None, known: Sequence[str]) -> tuple[str, ...]:
    asked = [name for word in names or known for name in word.split(",") if name]
    for name in asked:
        if name not in known:
            raise UsageError(f"--backbones: {name} is unknown; known: {', '.join(known)}")
    return tuple(dict.fromkeys(asked))


def _files(pairs: Sequence[str], known: Sequence[str]) -> dict[str, Path]:
    files: dict[str, Path] = {}
    for pair in pairs:
        name, equals, path = pair.partition("=")
        if not equals or name not in known:
            raise UsageError(f"--weights {pair}: is no NAME=PATH; names: {', '.join(known)}")
        if not Path(path).is_file():
            raise UsageError(f"--weights {pair}: there is no such file")
        files[name] = Path(path)
    return files
