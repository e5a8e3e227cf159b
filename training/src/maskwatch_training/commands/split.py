"""`split`: training, validation and test parts, checked for leaks."""

from __future__ import annotations

import argparse
import logging
from pathlib import Path
from typing import TYPE_CHECKING

from maskwatch_training import commands

if TYPE_CHECKING:
    from maskwatch_training.commands import Steps
    from maskwatch_training.datasets.duplicates import Alike

_log = logging.getLogger(__name__)


def add(steps: Steps) -> None:
    """Declare the sub-command."""
    parser = steps.add_parser("split", help="training, validation and test parts by group")
    parser.add_argument("--in", dest="folder", type=Path, required=True, metavar="DIR")
    what = parser.add_mutually_exclusive_group(required=True)
    what.add_argument("--out", type=Path, help="folder of the split")
    what.add_argument("--check", action="store_true", help="only look for leaks in a split")
    shares = parser.add_mutually_exclusive_group()
    shares.add_argument("--shares", default="0.7/0.15/0.15", help="train/validation/test")
    shares.add_argument(
        "--studies", action="store_true", help="0.8/0.16/0.04, as the transfer-learning studies do"
    )
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument(
        "--draw",
        choices=("hash", "class"),
        default="hash",
        help="hash: added pictures move none; class: shares of the classes hold in a small set",
    )
    parser.add_argument(
        "--join-duplicates", action="store_true", help="near-duplicates become one group first"
    )
    commands.add_alike(parser)
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> None:
    """Split, or check a split."""
    from maskwatch_training.datasets import duplicates

    alike = duplicates.Alike(options.bits, options.colour)
    if options.check:
        _check(options.folder, alike)
    else:
        _split(options, alike)


def _check(folder: Path, alike: Alike) -> None:
    from maskwatch_training.datasets import duplicates, leaks, sets, split, tally

    found = sets.read(folder)
    if len(found.parts) < 2:
        raise split.InvalidShares(f"{folder}: one annotation file is no split")
    looks = duplicates.fingerprints([found.path_of(e) for e in found.entries], step="split: check")
    parts = {part.name: part.entries for part in found.parts}
    leaks.check(parts, duplicates.pairs(looks, alike))
    print(tally.table({name: tally.count(entries) for name, entries in parts.items()}), end="")
    print("no group and no near-duplicate on two sides")


def _split(options: argparse.Namespace, alike: Alike) -> None:
    from maskwatch_training import drafts, record
    from maskwatch_training.datasets import sets, split

    shares = split.STUDIES if options.studies else split.read_shares(options.shares)
    plan = split.Plan(shares, options.seed, options.draw, options.join_duplicates, alike)
    found = sets.read(options.folder)
    settings = plan.as_mapping() | {"in": str(options.folder)}
    with drafts.folder(options.out) as draft:
        job = record.Job("split", draft, options.seed, settings, found.annotation_files)
        with record.recording(job) as results:
            made = split.make(found, plan)
            split.write(found, made.parts, draft)
            results.update(made.as_mapping())
    print(made.table, end="")
    for warning in made.warnings:
        _log.warning("%s", warning)
