"""The loop with the smallest model there is: one weight that learns to be two."""

import json
import logging
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pytest
import torch
from maskwatch_training import checkpoint
from maskwatch_training.datasets.holdout import Holdout
from maskwatch_training.datasets.photos import Photo
from maskwatch_training.fitting import loop
from maskwatch_training.fitting.job import Job
from maskwatch_training.fitting.run import Losses, Run
from maskwatch_training.recipes import Training
from torch import Tensor, nn

Plan = Callable[..., Training]


@dataclass(frozen=True)
class Line:
    """Learns y = 2 x; breaks at a draw where it is told to."""

    step: ClassVar[str] = "line"
    recipe: Training
    sources: Mapping[str, Path] = field(default_factory=dict)
    breaks_at_draw: int = 10**9
    width: int = 1
    progress: list[float] = field(default_factory=list)

    def build(self) -> nn.Linear:
        return nn.Linear(self.width, 1)

    def begin(self, network: nn.Linear, start: Path | None) -> None:
        if start is not None:
            network.load_state_dict(checkpoint.read(start).averaged)

    def is_backbone(self, _: nn.Linear, name: str) -> bool:
        return name == "nothing"

    def losses(self, network: nn.Linear, batch: Tensor) -> Losses:
        loss = ((network(batch) - 2 * batch) ** 2).mean()
        return Losses(loss, {"loss": loss})

    def photos(self, folder: Path) -> Holdout:
        return Holdout([], [], (folder / "own.jsonl",), "by hand")

    def batches(self, _: list[Photo], random: np.random.Generator) -> Callable[[float], Tensor]:
        def draw(progress: float) -> Tensor:
            self.progress.append(progress)
            if len(self.progress) == self.breaks_at_draw:
                raise OSError("the disk is gone")
            return torch.from_numpy(random.normal(0, 1, (2, self.width)).astype(np.float32))

        return draw


def _record(job: Job) -> dict[str, Any]:
    entry = json.loads((job.run_folder / "record-line.json").read_text(encoding="utf-8"))
    assert isinstance(entry, dict)
    return entry


def test_run_learns_and_its_record_says_what_decided_it(
    tmp_path: Path, write_plan: Plan, ticking: Callable[[], float]
) -> None:
    (tmp_path / "own.jsonl").write_text("", encoding="utf-8")
    first, second = Job(tmp_path, tmp_path / "a"), Job(tmp_path, tmp_path / "b")
    loop.train(Line(write_plan()), first, clock=ticking)
    sources = {"teacher": first.checkpoint_path}
    start = tmp_path / "c" / "checkpoint.pt"
    start.parent.mkdir()
    start.write_bytes(first.checkpoint_path.read_bytes())
    second = Job(tmp_path, tmp_path / "b", start)
    loop.train(Line(write_plan(), sources), second, clock=ticking)
    entry = _record(second)
    assert entry["outcome"] == "finished"
    assert entry["results"] == {"steps": 60, "minutes": 1.0, "loss": pytest.approx(0, abs=0.01)}
    assert list(entry["data"]) == ["own.jsonl", "a/checkpoint.pt", "c/checkpoint.pt"]
    assert len(set(entry["data"].values())) == 2  # the two checkpoints are one content
    assert entry["settings"]["start"] == str(start)
    assert entry["settings"]["teacher"] == str(first.checkpoint_path)
    assert entry["settings"]["held_back"] == "by hand"
    assert checkpoint.read(first.checkpoint_path).averaged["weight"].item() == pytest.approx(
        2, abs=0.2
    )


def test_broken_run_leaves_its_last_checkpoint_and_goes_on_from_there(
    tmp_path: Path, write_plan: Plan, ticking: Callable[[], float]
) -> None:
    job = Job(tmp_path, tmp_path / "run")
    with pytest.raises(OSError, match="the disk is gone"):
        loop.train(Line(write_plan(), breaks_at_draw=20), job, clock=ticking)
    assert _record(job)["outcome"] == "failed: OSError: the disk is gone"
    saved = checkpoint.read(job.checkpoint_path)
    assert (saved.step, saved.elapsed_s) == (14, 14.0)
    again = Line(write_plan())
    loop.train(again, job, clock=ticking)
    assert checkpoint.read(job.checkpoint_path).step == 60
    assert again.progress[0] == pytest.approx(14 / 60)  # the drawing is told where the run stands


def test_pause_of_the_machine_is_not_training_time(tmp_path: Path, write_plan: Plan) -> None:
    steps: Iterator[int] = iter([0, 1, 2, 7202, *range(7203, 8000)])
    job = Job(tmp_path, tmp_path / "run")
    loop.train(Line(write_plan(minutes=2.0)), job, clock=lambda: float(next(steps)))
    saved = checkpoint.read(job.checkpoint_path)
    assert (saved.step, saved.elapsed_s) == (61, 120.0)  # two hours count as a minute


def test_log_shows_time_and_losses(
    tmp_path: Path, write_plan: Plan, ticking: Callable[[], float], caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.INFO):
        loop.train(Line(write_plan()), Job(tmp_path, tmp_path / "run"), clock=ticking)
    shown = [line for line in caplog.messages if line.startswith("step")]
    assert [line.split()[1] for line in shown] == ["15", "30", "45", "60"]
    assert shown[1].startswith("step 30  0.5 of 1 min  500 ms/image  loss ")


def test_checkpoint_of_another_network_is_named(
    tmp_path: Path, write_plan: Plan, ticking: Callable[[], float]
) -> None:
    job = Job(tmp_path, tmp_path / "run")
    job.run_folder.mkdir()
    checkpoint.write(Run(Line(write_plan(), width=3)).snapshot(), job.checkpoint_path)
    with pytest.raises(checkpoint.CheckpointUnfit, match=r"checkpoint\.pt: is not of") as refusal:
        loop.train(Line(write_plan()), job, clock=ticking)
    assert "\n" not in str(refusal.value)


@pytest.mark.parametrize("content", [None, b"no checkpoint"])
def test_damaged_checkpoint_is_named(tmp_path: Path, content: bytes | None) -> None:
    path = tmp_path / "checkpoint.pt"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(checkpoint.CheckpointUnreadable, match=r"checkpoint\.pt"):
        checkpoint.read(path)


_WITHOUT_ROOM = """
import resource, sys
from pathlib import Path
import torch
from maskwatch_training import checkpoint
resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, 100_000))
weights = {"a": torch.zeros(int(sys.argv[2]))}
checkpoint.write(checkpoint.Checkpoint({}, 1, 1.0, weights, {}, {}), Path(sys.argv[1]))
"""


def test_full_disk_keeps_the_former_checkpoint_and_says_so(tmp_path: Path) -> None:
    path = tmp_path / "checkpoint.pt"

    def write(numbers: int) -> str:
        words = [sys.executable, "-c", _WITHOUT_ROOM, str(path), str(numbers)]
        return subprocess.run(
            words, capture_output=True, text=True, timeout=100, check=False
        ).stderr.strip()

    assert write(10) == ""
    said = write(100_000).rpartition("\n")[2]
    assert "DiskFull" in said
    assert "checkpoint.pt: no room left (File too large); what was there before is kept" in said
    assert len(checkpoint.read(path).weights["a"]) == 10
    assert list(tmp_path.iterdir()) == [path]
