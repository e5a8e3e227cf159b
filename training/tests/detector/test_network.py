import hashlib
import json
import math
from pathlib import Path

import numpy as np
import pytest
import torch
from maskwatch_training.detector import export, manifest
from maskwatch_training.detector.batches import compose
from maskwatch_training.detector.export import Adjustment
from maskwatch_training.detector.losses import giou, losses
from maskwatch_training.detector.manifest import Release, Thresholds
from maskwatch_training.detector.network import Detector
from maskwatch_training.detector.widths import FULL_WIDTHS
from maskwatch_training.views import View


def _view() -> View:
    image = np.random.default_rng(1).integers(0, 256, (64, 64, 3)).astype(np.uint8)
    boxes = np.array([[10, 10, 40, 44]], np.float32)
    return View(image, boxes, np.array([1]), np.zeros((0, 4), np.float32))


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
