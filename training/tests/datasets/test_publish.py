"""MLflow and W&B themselves, writing to a folder: neither needs a network."""

import json
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from maskwatch_training.datasets import artifact, publish

WriteSet = Callable[..., Path]


@pytest.fixture
def version(tmp_path: Path, write_set: WriteSet) -> artifact.Version:
    source = write_set(tmp_path / "in", "own", {"seed": 1}, {"seed": 2})
    return artifact.store(source, "faces", tmp_path / "shelf")


def test_mlflow_holds_the_version_once(tmp_path: Path, version: artifact.Version) -> None:
    run = publish.to_mlflow(version, tmp_path / "shelf")
    (logged,) = (tmp_path / "shelf" / "mlruns").glob(f"*/{run}/artifacts")
    assert artifact.verify(logged) == version.manifest
    assert publish.to_mlflow(version, tmp_path / "shelf") == run


def test_mlflow_run_that_failed_is_repeated(tmp_path: Path, version: artifact.Version) -> None:
    (version.folder / "pictures").rename(tmp_path / "away")
    (version.folder / "pictures").symlink_to(tmp_path / "nowhere" / "pictures")
    (version.folder / "own.jsonl").rename(tmp_path / "own.jsonl")
    (version.folder / "own.jsonl").symlink_to(tmp_path / "nowhere")
    with pytest.raises(FileNotFoundError):
        publish.to_mlflow(version, tmp_path / "shelf")
    for name, home in (("pictures", tmp_path / "away"), ("own.jsonl", tmp_path / "own.jsonl")):
        (version.folder / name).unlink()
        home.rename(version.folder / name)
    run = publish.to_mlflow(version, tmp_path / "shelf")
    (logged,) = (tmp_path / "shelf" / "mlruns").glob(f"*/{run}/artifacts")
    assert artifact.verify(logged) == version.manifest


def test_wandb_refers_to_the_version_once(tmp_path: Path, version: artifact.Version) -> None:
    shelf = tmp_path / "shelf"
    home = Path(publish.to_wandb(version, shelf))
    assert home.parent == shelf / "wandb"
    (written,) = home.glob("run-*.wandb")
    deadline = time.monotonic() + 60  # W&B's own process writes on for a moment
    while version.manifest.digest.encode() not in written.read_bytes():
        assert time.monotonic() < deadline
        time.sleep(0.05)
    assert Path(publish.to_wandb(version, shelf)) == home
    ledger = json.loads((shelf / "faces" / "wandb.json").read_text())
    assert ledger == {version.manifest.digest: f"wandb/{home.name}"}
    assert len(list((shelf / "wandb").glob("offline-run-*"))) == 1
