import hashlib
import json
import math
from pathlib import Path

import numpy as np
import pytest
import torch
from maskwatch_training import checkpoint
from maskwatch_training.detector import export, manifest, recipe, train
from maskwatch_training.detector.batches import compose
from maskwatch_training.detector.export import Adjustment
from maskwatch_training.detector.losses import giou, losses
from maskwatch_training.detector.manifest import Release, Thresholds
from maskwatch_training.detector.network import Detector
from maskwatch_training.detector.widths import FULL_WIDTHS
from maskwatch_training.views import View

_RECIPE = Path(__file__).parents[2] / "recipes" / "detector.yml"


def _view() -> View:
    image = np.random.default_rng(1).integers(0, 256, (64, 64, 3)).astype(np.uint8)
    boxes = np.array([[10, 10, 40, 44]], np.float32)
    return View(image, boxes, np.array([1]), np.zeros((0, 4), np.float32))


def test_recipe_that_ships_is_valid_and_a_misspelt_field_is_refused(tmp_path: Path) -> None:
    assert recipe.read(_RECIPE).input_size_px == 320
    wrong = tmp_path / "wrong.yml"
    wrong.write_text(_RECIPE.read_text(encoding="utf-8").replace("seed:", "sead:"))
    with pytest.raises(recipe.InvalidRecipe, match="sead"):
        recipe.read(wrong)


def test_one_answer_for_every_cell_and_no_negative_distance() -> None:
    raw = Detector().eval()(torch.zeros(2, 3, 64, 64))
    assert raw.scores.shape == (2, 340, 1)
    assert raw.boxes.shape == (2, 340, 4)
    assert raw.classes.shape == (2, 340, 3)
    assert bool((raw.boxes >= 0).all())


def test_folded_network_answers_as_the_trained_one() -> None:
    torch.manual_seed(0)
    network = Detector()
    network.train()
    with torch.no_grad():
        network(torch.rand(4, 3, 64, 64) * 255)  # gives the batch norms a past
        network.eval()
        picture = torch.rand(1, 3, 64, 64) * 255
        raw = network(picture)
        shipped = export.deployable(network.state_dict(), FULL_WIDTHS, Adjustment())
        scores, boxes, classes = shipped(picture)
        last = export.ChannelsLast(shipped)(picture.permute(0, 2, 3, 1))
    assert torch.allclose(scores, torch.sigmoid(raw.scores), atol=1e-5)
    assert torch.allclose(boxes, raw.boxes, atol=1e-4)
    assert torch.allclose(classes, torch.softmax(raw.classes, -1), atol=1e-5)
    for one, other in zip((scores, boxes, classes), last, strict=True):
        assert torch.allclose(one, other, atol=1e-4)


def test_bad_mask_logit_changes_its_odds_by_just_that() -> None:
    weights = Detector().eval().state_dict()
    picture = torch.rand(1, 3, 64, 64) * 255
    with torch.no_grad():
        plain = export.deployable(weights, FULL_WIDTHS, Adjustment())(picture)[2]
        raised = export.deployable(weights, FULL_WIDTHS, Adjustment(bad_mask_logit=1.0))(picture)[2]
    odds = (raised[..., 2] / raised[..., 0]) / (plain[..., 2] / plain[..., 0])
    assert torch.allclose(odds, torch.full_like(odds, math.e), rtol=1e-3)


def test_temperature_takes_the_odds_of_the_classes_to_its_root() -> None:
    weights = Detector().eval().state_dict()
    picture = torch.rand(1, 3, 64, 64) * 255
    with torch.no_grad():
        plain = export.deployable(weights, FULL_WIDTHS, Adjustment())(picture)[2]
        warm = export.deployable(weights, FULL_WIDTHS, Adjustment(temperature=2.0))(picture)[2]
    odds, warm_odds = plain[..., 0] / plain[..., 1], warm[..., 0] / warm[..., 1]
    assert torch.allclose(odds**0.5, warm_odds, rtol=1e-3)


def test_giou_of_equal_boxes_is_one_and_falls_below_zero_far_away() -> None:
    box = torch.tensor([[1.0, 1.0, 2.0, 2.0]])
    far = torch.tensor([[9.0, 9.0, -8.0, -8.0]])
    assert float(giou(box, box)) == pytest.approx(1.0)
    assert float(giou(box, far)) < 0


def test_losses_fall_while_one_batch_is_learnt() -> None:
    torch.manual_seed(0)
    network = Detector().train()
    optimiser = torch.optim.AdamW(network.parameters(), lr=2e-3)
    batch = compose([_view(), _view()], size_px=64)
    totals = []
    for _ in range(6):
        parts = losses(network(batch.images), batch.targets, bad_mask_weight=1.0)
        total = parts.focal + parts.giou + parts.classes
        optimiser.zero_grad()
        total.backward()  # type: ignore[no-untyped-call]
        optimiser.step()
        totals.append(float(total.detach()))
    assert totals[-1] < 0.7 * totals[0]


def test_rate_warms_up_by_steps_and_ends_at_its_final_share() -> None:
    settings = recipe.read(_RECIPE).optimiser
    assert train.rate_share(0, 0.0, settings) < 0.05
    assert train.rate_share(1000, 0.0, settings) == pytest.approx(1.0)
    assert train.rate_share(1000, 1.0, settings) == pytest.approx(settings.final_share)


def test_run_goes_on_from_its_checkpoint(tmp_path: Path) -> None:
    plan = recipe.read(_RECIPE)
    run = train.Run(plan)
    run.learn(compose([_view(), _view()], size_px=64))
    run.elapsed_s = 90.0
    checkpoint.write(run.snapshot(), tmp_path / "checkpoint.pt")
    other = train.Run(plan)
    other.restore(checkpoint.read(tmp_path / "checkpoint.pt"))
    assert (other.step, other.elapsed_s) == (1, 90.0)
    for name, value in run.network.state_dict().items():
        assert torch.equal(value, other.network.state_dict()[name]), name
    assert [p.name for p in tmp_path.iterdir()] == ["checkpoint.pt"]


def test_damaged_checkpoint_is_named(tmp_path: Path) -> None:
    path = tmp_path / "checkpoint.pt"
    with pytest.raises(checkpoint.CheckpointUnreadable, match=r"checkpoint\.pt"):
        checkpoint.read(path)
    path.write_bytes(b"no checkpoint")
    with pytest.raises(checkpoint.CheckpointUnreadable, match=r"checkpoint\.pt"):
        checkpoint.read(path)


def test_manifest_says_what_the_file_is(tmp_path: Path) -> None:
    model = tmp_path / "own.tflite"
    model.write_bytes(b"weights")
    release = Release("own", "1", 320, Thresholds(0.35, 0.45, 0.6, 0.6), {"seed": 1}, {})
    entry = json.loads(manifest.write(release, model).read_text(encoding="utf-8"))
    assert entry["sha256"] == hashlib.sha256(b"weights").hexdigest()
    assert entry["file"] == "own.tflite"
    assert entry["strides"] == [4, 8, 16, 32]
    assert entry["labels"] == ["mask", "no_mask", "bad_mask"]
    assert entry["guid"] == manifest.guid("own", "1") != manifest.guid("own", "2")
