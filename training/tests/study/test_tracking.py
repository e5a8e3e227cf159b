import time
from pathlib import Path

import pytest
from maskwatch_training.study import tracking


def test_mlflow_keeps_settings_figures_and_state_in_the_folder(tmp_path: Path) -> None:
    log = tracking.tracker("mlflow", tmp_path)
    for row, status in (("first", "finished"), ("second", "interrupted"), ("third", "failed")):
        log.begin(row, {"seed": 7, "long": "x" * 900})
        log.log({"head.training_loss": 0.5}, 1)
        log.log({"head.training_loss": 0.25}, 2)
        log.end(status, {"accuracy": 0.75})
    # A second study in the folder goes on with the experiment.
    tracking.tracker("mlflow", tmp_path)

    from mlflow.tracking import MlflowClient  # noqa: PLC0415 - it takes seconds to load

    client = MlflowClient(tracking_uri=(tmp_path / "mlruns").as_uri())
    experiment = client.get_experiment_by_name("maskwatch-study")
    assert experiment is not None
    runs = {run.info.run_name: run for run in client.search_runs([experiment.experiment_id])}
    assert {name: run.info.status for name, run in runs.items()} == {
        "first": "FINISHED",
        "second": "KILLED",
        "third": "FAILED",
    }
    first = runs["first"]
    assert first.data.params["seed"] == "7"
    assert first.data.metrics["accuracy"] == 0.75
    history = client.get_metric_history(first.info.run_id, "head.training_loss")
    assert [(point.step, point.value) for point in history] == [(1, 0.5), (2, 0.25)]


def test_wandb_keeps_its_runs_offline_in_the_folder(tmp_path: Path) -> None:
    log = tracking.tracker("wandb", tmp_path)
    for row in ("first", "second"):
        log.begin(row, {"seed": 7})
        log.log({"head.training_loss": 0.5}, 1)
        log.end("finished", {"accuracy": 0.75})
    kept = list((tmp_path / "wandb").glob("offline-run-*/*.wandb"))
    assert len(kept) == 2
    deadline = time.monotonic() + 30  # W&B's own process writes, a moment later
    while not all(b"head.training_loss" in path.read_bytes() for path in kept):
        assert time.monotonic() < deadline, "the figures are not in the runs' files"
        time.sleep(0.1)


def test_no_log_leaves_no_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    log = tracking.tracker("none", tmp_path)
    log.begin("row", {})
    log.log({"loss": 1.0}, 1)
    log.end("finished", {})
    assert list(tmp_path.iterdir()) == []
