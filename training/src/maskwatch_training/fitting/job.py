"""Where a training run reads and writes."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Job:
    """Where a run reads and writes; `start` is a checkpoint whose weights a new run begins with."""

    data_folder: Path
    run_folder: Path
    start: Path | None = None

    @property
    def checkpoint_path(self) -> Path:
        """The file that holds the newest checkpoint."""
        return self.run_folder / "checkpoint.pt"
