"""Checkpoints of a run: written whole or not at all, resumable."""

from __future__ import annotations

import io
import pickle
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from maskwatch_training import drafts

State = dict[str, Tensor]
_REASON_CHARACTERS = 160  # PyTorch lists every layer


class CheckpointUnreadable(ValueError):  # noqa: N818 - named for what is wrong, as all our errors are
    """A checkpoint file is missing, damaged or of another program."""


class CheckpointUnfit(ValueError):  # noqa: N818 - as above
    """A checkpoint is of another network than the recipe's; the message says what differs."""


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
    """Write a checkpoint; an interruption or a full disk leaves the former one in place.

    Raises:
        DiskFull: There was no room.
    """
    content = io.BytesIO()  # written to a file, PyTorch hides why that failed
    torch.save(asdict(checkpoint), content)
    with drafts.file(path) as draft:
        draft.write_bytes(content.getbuffer())


def read(path: Path) -> Checkpoint:
    """Read a checkpoint.

    Raises:
        CheckpointUnreadable: The file is missing, damaged or lacks a part.
    """
    try:
        return Checkpoint(**torch.load(path, map_location="cpu", weights_only=True))
    except (OSError, RuntimeError, EOFError, TypeError, pickle.UnpicklingError) as error:
        raise CheckpointUnreadable(f"{path}: {error}") from error


@contextmanager
def loading(path: Path) -> Iterator[None]:
    """Name the file in what is wrong with its weights.

    Raises:
        CheckpointUnfit: The body could not put them into a network.
    """
    try:
        yield
    except (RuntimeError, ValueError, KeyError) as error:
        why = " ".join(str(error).split())[:_REASON_CHARACTERS]
        raise CheckpointUnfit(f"{path}: is not of this recipe's network: {why}") from error
