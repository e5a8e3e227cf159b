"""One module a sub-command of `maskwatch-train`: `add` declares it, `run` does it.

A module here imports at its top only what every sub-command has; what is slow to load (PyTorch, the
converters) is imported where it is used, so that `--help` and `capture` start at once.
"""

from __future__ import annotations

import argparse
import os
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from maskwatch_training.fitting.job import Job

    Steps = argparse._SubParsersAction[argparse.ArgumentParser]  # noqa: SLF001 - it has no other name

DATA_VARIABLE = "MASKWATCH_TRAINING_DATA"


class UsageError(ValueError):
    """The command line lacks something; the message says what."""


def add_recipe(parser: argparse.ArgumentParser) -> None:
    """Add --recipe and --data."""
    parser.add_argument("--recipe", type=Path, required=True, help="recipe file (.yml)")
    add_data(parser)


def add_data(parser: argparse.ArgumentParser) -> None:
    """Add --data, the folder that holds `train/*.jsonl` and the pictures."""
    parser.add_argument("--data", type=Path, help=f"data folder; else {DATA_VARIABLE}")


def add_training(parser: argparse.ArgumentParser) -> None:
    """Add the options of every training run: --recipe, --data, --out, --resume, --start."""
    add_recipe(parser)
    parser.add_argument("--out", type=Path, required=True, help="folder of the run")
    parser.add_argument("--resume", action="store_true", help="go on from its checkpoint")
    parser.add_argument("--start", type=Path, help="checkpoint whose weights to begin with")


def training_job(options: argparse.Namespace) -> Job:
    """Say where a training run reads and writes.

    Raises:
        UsageError: Nothing names the data folder.
        FileExistsError: The folder of the run holds a checkpoint that is not to be resumed.
    """
    from maskwatch_training.fitting.job import Job

    job = Job(data_folder(options), options.out, options.start)
    if job.checkpoint_path.exists() and not options.resume:
        raise FileExistsError(f"{job.checkpoint_path}: --resume to go on, or another --out")
    return job


def add_alike(parser: argparse.ArgumentParser) -> None:
    """Add --bits and --colour: when two pictures are near-duplicates."""
    parser.add_argument("--bits", type=int, default=8, help="of 64 hash bits that may differ")
    parser.add_argument(
        "--colour", type=float, default=40.0, help="mean colour difference that may be, of 255"
    )


def data_folder(options: argparse.Namespace) -> Path:
    """Return the data folder.

    Raises:
        UsageError: Neither the option nor the variable names one.
    """
    folder = options.data or os.environ.get(DATA_VARIABLE)
    if not folder:
        raise UsageError(f"say where the pictures are: --data or {DATA_VARIABLE}")
    return Path(folder)


def share(value: float, option: str) -> float:
    """Give back a value in [0, 1].

    Raises:
        UsageError: It lies outside; names the option.
    """
    if not 0 <= value <= 1:
        raise UsageError(f"{option}: is {value:g}, must lie in 0..1")
    return value
