"""`import`: bring other people's labelled pictures into our form."""

from __future__ import annotations

import argparse
import logging
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from maskwatch_training.commands import Steps

FORMS = ("voc", "yolo", "coco", "folders", "edge-impulse")
_log = logging.getLogger(__name__)


def add(steps: Steps) -> None:
    """Declare the sub-command."""
    parser = steps.add_parser("import", help="bring labelled pictures into our form")
    parser.add_argument("--from", dest="form", choices=FORMS, required=True, help="their form")
    parser.add_argument("--source", type=Path, required=True, help="their folder")
    parser.add_argument("--out", type=Path, required=True, help="folder of the new set")
    parser.add_argument("--name", required=True, help="of the new set")
    parser.add_argument("--licence", default="none stated", help="of the pictures")
    parser.add_argument(
        "--labels",
        nargs="+",
        default=[],
        metavar="NAME=CLASS|FILE",
        help="what a class name means: mask, no_mask, bad_mask, no_face or ignore",
    )
    parser.add_argument("--clip", action="store_true", help="cut boxes at the picture's edge")
    parser.add_argument(
        "--skip",
        nargs="+",
        default=[],
        choices=("broken", "empty"),
        help="leave out broken pictures, or boxes without area; counted",
    )
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> None:
    """Import and print what came of it."""
    from maskwatch_training import drafts, record
    from maskwatch_training.datasets import class_names, importers, intake, tally

    order = intake.Order(
        source=options.source,
        name=options.name,
        licence=options.licence,
        labels=class_names.read(options.labels),
        clip=options.clip,
        skip=frozenset(options.skip),
    )
    found = importers.read(options.form, options.source)
    settings = {"from": options.form, "source": str(options.source), "labels": order.labels}
    settings |= {"clip": order.clip, "skip": sorted(order.skip), "licence": order.licence}
    with drafts.folder(options.out) as draft:
        job = record.Job("import", draft, settings=settings, data=found.annotation_files)
        with record.recording(job) as results:
            brought = intake.bring(found, order, draft)
            counted = tally.count(brought.entries)
            warnings = tally.warnings(order.name, counted)
            warnings += [f"class {name}: empty there" for name in intake.empty_classes(found)]
            misspelt = intake.unused_labels(found, order)
            warnings += [f"--labels {name}: no such class there" for name in misspelt]
            results.update(counted.as_mapping())
            results.update(counts=dict(brought.counts), warnings=warnings)
    print(tally.table({order.name: counted}), end="")
    for what, times in sorted(brought.counts.items()):
        print(f"{times} {what}")
    for warning in warnings:
        _log.warning("%s", warning)
