"""The log of experiments: MLflow in a folder, or Weights & Biases offline; no network."""

from __future__ import annotations

import logging
import os
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, Protocol

if TYPE_CHECKING:
    import wandb
    from mlflow.tracking import MlflowClient

Kind = Literal["mlflow", "wandb", "none"]
KINDS: tuple[Kind, ...] = ("mlflow", "wandb", "none")
_EXPERIMENT = "maskwatch-study"
_MLFLOW_LIMIT = 500  # characters of a parameter


class Tracker(Protocol):
    """Follows one row after the other."""

    def begin(self, row: str, settings: Mapping[str, Any]) -> None:
        """Start a row."""

    def log(self, figures: Mapping[str, float], step: int) -> None:
        """Note figures at a step; the step rises within a row."""

    def end(self, status: str, figures: Mapping[str, float]) -> None:
        """End the row: finished, failed or interrupted."""


class Nothing:
    """Keeps no log."""

    def begin(self, row: str, settings: Mapping[str, Any]) -> None:
        """Do nothing."""

    def log(self, figures: Mapping[str, float], step: int) -> None:
        """Do nothing."""

    def end(self, status: str, figures: Mapping[str, float]) -> None:
        """Do nothing."""


class MlflowFolder:
    """Writes to `<folder>/mlruns`; `mlflow ui --backend-store-uri <folder>/mlruns` shows it."""

    def __init__(self, folder: Path) -> None:
        # The file store is kept up but no longer developed; it asks for consent by this variable.
        os.environ.setdefault("MLFLOW_ALLOW_FILE_STORE", "true")
        os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")
        from mlflow.tracking import MlflowClient  # noqa: PLC0415 - it takes seconds to load

        self._client: MlflowClient = MlflowClient(
            tracking_uri=(folder / "mlruns").resolve().as_uri()
        )
        found = self._client.get_experiment_by_name(_EXPERIMENT)
        self._experiment = (
            found.experiment_id if found else self._client.create_experiment(_EXPERIMENT)
        )
        self._run = ""

    def begin(self, row: str, settings: Mapping[str, Any]) -> None:
        """Start a run."""
        self._run = self._client.create_run(self._experiment, run_name=row).info.run_id
        for name, value in settings.items():
            self._client.log_param(self._run, name, str(value)[:_MLFLOW_LIMIT])

    def log(self, figures: Mapping[str, float], step: int) -> None:
        """Note metrics."""
        for name, value in figures.items():
            self._client.log_metric(self._run, name, value, step=step)

    def end(self, status: str, figures: Mapping[str, float]) -> None:
        """Note the last metrics and end the run."""
        for name, value in figures.items():
            self._client.log_metric(self._run, name, value)
        ends = {"finished": "FINISHED", "interrupted": "KILLED"}
        self._client.set_terminated(self._run, status=ends.get(status, "FAILED"))


class WandbOffline:
    """Writes to `<folder>/wandb`; `wandb sync` sends it where the user wants it."""

    def __init__(self, folder: Path) -> None:
        os.environ.setdefault("WANDB_ERROR_REPORTING", "false")
        import wandb  # noqa: PLC0415 - it takes seconds to load

        logging.getLogger("wandb").setLevel(logging.WARNING)
        self._init = wandb.init
        self._settings = wandb.Settings(
            silent=True, console="off", disable_git=True, save_code=False, x_disable_stats=True
        )
        self._folder = folder
        folder.mkdir(parents=True, exist_ok=True)
        self._run: wandb.Run | None = None

    def begin(self, row: str, settings: Mapping[str, Any]) -> None:
        """Start a run."""
        self._run = self._init(
            project=_EXPERIMENT,
            name=row,
            mode="offline",
            dir=str(self._folder),
            config=dict(settings),
            settings=self._settings,
        )

    def log(self, figures: Mapping[str, float], step: int) -> None:
        """Note metrics."""
        if self._run is not None:
            self._run.log(dict(figures), step=step)

    def end(self, status: str, figures: Mapping[str, float]) -> None:
        """Note the last metrics and end the run."""
        if self._run is not None:
            self._run.summary.update({**figures, "status": status})
            self._run.finish(exit_code=0 if status == "finished" else 1)
            self._run = None


def tracker(kind: Kind, folder: Path) -> Tracker:
    """Open the log of a study in its folder."""
    if kind == "none":
        return Nothing()
    return MlflowFolder(folder) if kind == "mlflow" else WandbOffline(folder)
