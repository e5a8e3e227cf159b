"""Hands a stored version on: to MLflow's file store, or to Weights & Biases in offline mode.

Neither needs a network. Both know a version by its digest: what was handed on is not repeated.
"""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Literal

from maskwatch_training import record
from maskwatch_training.datasets.artifact import Version

Target = Literal["folder", "mlflow", "wandb"]
TARGETS: tuple[Target, ...] = ("folder", "mlflow", "wandb")
_DIGEST_TAG = "maskwatch.digest"
_PROJECT = "maskwatch-datasets"
_LEDGER = "wandb.json"


def to_mlflow(version: Version, shelf: Path) -> str:
    """Log a version as a run with artifacts in `<shelf>/mlruns`.

    Returns:
        The run's id; a finished run of the same content is returned as it is. A run that was
        interrupted is not finished and is logged anew.
    """
    # MLflow 3 asks for this word before it writes plain files.
    os.environ.setdefault("MLFLOW_ALLOW_FILE_STORE", "true")
    from mlflow.tracking import MlflowClient  # noqa: PLC0415 - takes seconds

    manifest = version.manifest
    client = MlflowClient(tracking_uri=(shelf / "mlruns").resolve().as_uri())
    name = f"{_PROJECT}/{manifest.name}"
    experiment = client.get_experiment_by_name(name)
    home = experiment.experiment_id if experiment else client.create_experiment(name)
    same = f"tags.`{_DIGEST_TAG}` = '{manifest.digest}' and attributes.status = 'FINISHED'"
    if runs := client.search_runs([home], same):
        return str(runs[0].info.run_id)
    tags = {_DIGEST_TAG: manifest.digest, "version": manifest.version, "name": manifest.name}
    run = client.create_run(home, tags=tags, run_name=f"{manifest.name} {manifest.version}")
    outcome = "FAILED"
    try:
        client.log_artifacts(run.info.run_id, str(version.folder))
        outcome = "FINISHED"
    finally:
        client.set_terminated(run.info.run_id, outcome)
    return str(run.info.run_id)


def to_wandb(version: Version, shelf: Path) -> str:
    """Log a version as an artifact of an offline run in `<shelf>/wandb`; `wandb sync` uploads it.

    The run refers to the stored version's files, so that version has to stay until the upload.

    Returns:
        The run's folder; that of the former run where the content was logged before.
    """
    manifest = version.manifest
    ledger_path = version.folder.parent / _LEDGER
    ledger: dict[str, str] = _read_ledger(ledger_path)
    if manifest.digest in ledger and (shelf / ledger[manifest.digest]).is_dir():
        return str(shelf / ledger[manifest.digest])
    # Else it stages files in the home folder.
    os.environ.setdefault("WANDB_DATA_DIR", str((shelf / "wandb").resolve()))
    import wandb  # noqa: PLC0415 - takes seconds

    quiet = wandb.Settings(silent=True, console="off", disable_git=True)
    # Absolute, since the upload may be started from anywhere.
    item = wandb.Artifact(
        manifest.name,
        "dataset",
        metadata=manifest.model_dump(mode="json", exclude={"files", "notes"}),
    )
    item.add_dir(str(version.folder.resolve()), policy="immutable", skip_cache=True)
    with wandb.init(
        project=_PROJECT, mode="offline", dir=shelf.resolve(), job_type="dataset", settings=quiet
    ) as run:
        run.log_artifact(item, aliases=[manifest.version])
        home = Path(run.dir).resolve().parent
    ledger[manifest.digest] = home.relative_to(shelf.resolve()).as_posix()
    record.write_json(ledger_path, ledger)
    return str(home)


def _read_ledger(path: Path) -> dict[str, str]:
    if not path.is_file():
        return {}
    return {str(key): str(value) for key, value in json.loads(path.read_text("utf-8")).items()}
