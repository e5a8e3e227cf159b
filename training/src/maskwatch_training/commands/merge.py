"""`merge`: make one set of several people's, duplicates found."""

from __future__ import annotations

import argparse
import logging
from pathlib import Path
from typing import TYPE_CHECKING

from maskwatch_training import commands

if TYPE_CHECKING:
    from maskwatch_training.commands import Steps

_log = logging.getLogger(__name__)


def add(steps: Steps) -> None:
    """Declare the sub-command."""
    parser = steps.add_parser("merge", help="make one set of several people's")
    parser.add_argument("--in", dest="sets", type=Path, nargs="+", required=True, metavar="DIR")
    parser.add_argument("--out", type=Path, required=True, help="folder of the new set")
    parser.add_argument("--name", required=True, help="of the new set")
    parser.add_argument(
        "--duplicates",
        choices=("group", "drop"),
        default="group",
        help="near-duplicates: one group, or only the first of those whose labels agree",
    )
    commands.add_alike(parser)
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> None:
    """Merge and print the report's head."""
    from maskwatch_training import drafts, record
    from maskwatch_training.datasets import duplicates, merge, sets, tally

    alike = duplicates.Alike(options.bits, options.colour)
    found = [sets.read(folder) for folder in options.sets]
    settings = {"sets": [str(folder) for folder in options.sets], "duplicates": options.duplicates}
    settings |= {"bits": alike.bits_max, "colour": alike.colour_max}
    files = [path for one in found for path in one.annotation_files]
    with drafts.folder(options.out) as draft:
        job = record.Job("merge", draft, settings=settings, data=files)
        with record.recording(job) as results:
            items = merge.gather(found)
            merged = merge.merge(items, merge.find_pairs(items, alike), options.duplicates)
            merge.write(merged, draft, options.name)
            results.update(merged.after.as_mapping(), dropped=merged.dropped)
    print(tally.table({**merged.before, options.name: merged.after}), end="")
    print(f"{len(merged.twins)} pairs of near-duplicates, {merged.dropped} pictures dropped")
    for twins in merged.conflicts:
        _log.warning("labels contradict: %s, %s: %s", twins.first, twins.second, twins.conflict)
    for warning in tally.warnings(options.name, merged.after):
        _log.warning("%s", warning)
