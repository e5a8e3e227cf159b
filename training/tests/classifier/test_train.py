import json
import logging
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from maskwatch_training import checkpoint, cli
from maskwatch_training.classifier import network, stock, train
from maskwatch_training.classifier.network import Classifier
from maskwatch_training.classifier.recipe import Recipe
from maskwatch_training.classifier.train import Batch, Learner
from maskwatch_training.datasets import holdout
from maskwatch_training.detector.network import Detector
from maskwatch_training.detector.tflite import Model
from maskwatch_training.fitting.job import Job
from maskwatch_training.fitting.run import Run


def _run(recipe: Recipe) -> Run[Classifier, Batch]:
    return Run(Learner(recipe))


def _batch() -> Batch:
    random = np.random.default_rng(0)
    images = torch.from_numpy(random.integers(0, 256, (8, 3, 48, 48)).astype(np.float32))
    labels = torch.tensor([0, 1, 2, 3, 0, 1, 2, 3])
    return Batch(images + labels[:, None, None, None] * 40, labels)


def test_loss_falls_while_one_batch_is_learnt(plan: Recipe) -> None:
    torch.manual_seed(0)
    run = _run(plan)
    totals = [run.learn(_batch())["loss"] for _ in range(25)]
    assert np.mean(totals[-3:]) < 0.7 * np.mean(totals[:3])


def test_frozen_layers_keep_their_weights(plan: Recipe) -> None:
    run = _run(plan)
    before = {name: value.clone() for name, value in run.network.state_dict().items()}
    run.learn(_batch())
    run.learn(_batch())
    after = run.network.state_dict()
    stem = "features.0.conv.weight"
    assert torch.equal(before[stem], after[stem])
    assert not torch.equal(before["last.weight"], after["last.weight"])


def test_run_goes_on_from_its_checkpoint(small_plan: Recipe, tmp_path: Path) -> None:
    batch = _batch()
    batch = Batch(batch.images, batch.labels % 3)
    run = _run(small_plan)
    run.learn(batch)
    run.elapsed_s = 90.0
    checkpoint.write(run.snapshot(), tmp_path / "checkpoint.pt")
    other = _run(small_plan)
    other.restore(checkpoint.read(tmp_path / "checkpoint.pt"))
    assert (other.step, other.elapsed_s) == (1, 90.0)
    losses = []
    for one in (run, other):
        torch.manual_seed(3)  # of the dropout
        losses.append(one.learn(batch)["loss"])
    assert losses[0] == pytest.approx(losses[1], rel=1e-4)


def test_training_ends_with_its_time_and_leaves_checkpoint_and_record(
    small_plan: Recipe, data_folder: Path, tmp_path: Path, ticking: Callable[[], float]
) -> None:
    job = Job(data_folder, tmp_path / "run")
    plan = small_plan.model_copy(update={"minutes": 0.1, "checkpoint_every_minutes": 0.03})
    train.train(plan, job, clock=ticking)
    saved = checkpoint.read(job.checkpoint_path)
    assert (saved.step, saved.elapsed_s) == (6, 6.0)
    entry = json.loads((job.run_folder / "record-classifier.json").read_text(encoding="utf-8"))
    assert entry["outcome"] == "finished"
    assert entry["results"]["steps"] == 6
    assert list(entry["data"]) == ["drawn.jsonl", small_plan.detector.name]
    assert all(entry["data"].values())
    assert entry["settings"]["held_back"] == "by the recipe's shares"
    longer = plan.model_copy(update={"minutes": 0.15})
    train.train(longer, job, clock=ticking)
    assert checkpoint.read(job.checkpoint_path).step == 9


def test_run_can_begin_with_another_runs_weights(
    small_plan: Recipe, plan: Recipe, tmp_path: Path
) -> None:
    first, second = _run(small_plan), _run(small_plan)
    checkpoint.write(first.snapshot(), tmp_path / "first.pt")
    second.begin(tmp_path / "first.pt")
    assert all(torch.equal(value, second.averaged[name]) for name, value in first.averaged.items())
    with pytest.raises(network.UnfitStart, match="no weights that fit"):
        network.begin_with(_run(plan).network, {"other": torch.zeros(1)})


def test_run_can_begin_with_a_detectors_backbone(plan: Recipe) -> None:
    finder = Detector().state_dict()
    run = _run(plan)
    taken = network.begin_with(run.network, finder)
    assert taken > 100
    own = run.network.state_dict()
    assert torch.equal(own["features.0.conv.weight"], finder["backbone.stem.weight"])
    assert torch.equal(own["features.9.project.gain"], finder["backbone.blocks.8.project.gain"])


def test_layers_without_pretrained_weights_learn_at_the_heads_rate(
    plan: Recipe, small_plan: Recipe
) -> None:
    built = network.build(plan)
    last = f"features.{len(built.features) - 1}"
    for name, _ in built.named_parameters():
        is_fresh = name.startswith((f"{last}.", "last."))
        assert Learner(plan).is_backbone(built, name) is not is_fresh, name
    small = network.build(small_plan)  # from random weights: nothing is pretrained
    names = [name for name, _ in small.named_parameters()]
    assert not any(Learner(small_plan).is_backbone(small, name) for name in names)


def test_what_is_left_out_is_counted(
    small_plan: Recipe,
    data_folder: Path,
    detector: Model,
    caplog: pytest.LogCaptureFixture,
) -> None:
    training = holdout.read(data_folder, small_plan).training
    with caplog.at_level(logging.INFO):
        pools = stock.gather(training, small_plan, detector)
    bad = sum(int((photo.labels == 2).sum()) for photo in training)
    assert f"'label not in the recipe': {bad}" in caplog.text
    assert len(pools[0].patches) == sum(int((photo.labels == 0).sum()) for photo in training)
    assert all(pool.cumulated[-1] == pytest.approx(1.0) for pool in pools)


def test_label_without_an_example_is_named(
    plan: Recipe, data_folder: Path, detector: Model
) -> None:
    training = holdout.read(data_folder, plan).training
    faceless = [photo for photo in training if not len(photo.labels)]
    with pytest.raises(holdout.NothingToLearn, match="mask"):
        stock.gather(faceless, plan, detector)


def test_command_does_not_overwrite_a_run(
    write_recipe: Callable[..., Path],
    data_folder: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    path = write_recipe("microcontroller", minutes=0.001)
    run = tmp_path / "run"
    words = ["classifier", "--recipe", str(path), "--data", str(data_folder), "--out", str(run)]
    assert cli.main(words) == 0
    assert cli.main(words) == 1
    assert "--resume" in capsys.readouterr().err
    assert cli.main([*words, "--resume"]) == 0


def test_command_names_a_field_that_is_wrong(
    write_recipe: Callable[..., Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = write_recipe("classifier", batch_size=1)
    words = ["classifier", "--recipe", str(path), "--data", str(tmp_path), "--out", str(tmp_path)]
    assert cli.main(words) == 1
    assert "batch_size" in capsys.readouterr().err
