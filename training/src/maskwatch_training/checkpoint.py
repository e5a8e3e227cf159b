"""Checkpoints of a run: written whole or not at all, resumable."""

from __future__ import annotations

import pickle
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

State = dict[str, Tensor]


class CheckpointUnreadable(ValueError):  # noqa: N818 - named for what is wrong, as all our errors are
    """A checkpoint file is missing, damaged or of another program."""


@dataclass(frozen=True)
class Checkpoint:
    """All that a run needs to go on; `elapsed_s` is training time, without pauses."""

    recipe: dict[str, Any]
    step: int
    elapsed_s: float
    weights: State
    averaged: State
    optimiser: dict[str, Any]


def write(checkpoint: Checkpoint, path: Path) -> None:
    """Write a checkpoint; an interruption or a full disk leaves the former one in place."""
    draft = path.with_suffix(".part")
    try:
        torch.save(asdict(checkpoint), draft)
        draft.replace(path)
    finally:
        draft.unlink(missing_ok=True)


def read(path: Path) -> Checkpoint:
    """Read a checkpoint.

    Raises:
        CheckpointUnreadable: The file is missing, damaged or lacks a part.
    """
    try:
        return Checkpoint(**torch.load(path, map_location="cpu", weights_only=True))
    except (OSError, RuntimeError, EOFError, TypeError, pickle.UnpicklingError) as error:
        raise CheckpointUnreadable(f"{path}: {error}") from error
