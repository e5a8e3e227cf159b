"""`report`: write a study's report again from its rows."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from maskwatch_training.commands import Steps


def add(steps: Steps) -> None:
    """Declare the sub-command."""
    parser = steps.add_parser("report", help="write a study's report again from its rows")
    parser.add_argument("--study", type=Path, required=True, help="folder of the study")
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> None:
    """Write report.html and report.md."""
    from maskwatch_training.study import report

    for path in report.write(options.study):
        print(path)
