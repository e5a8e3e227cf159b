"""The whole measurement of an exported model, written to a folder."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from maskwatch_training.datasets import photos as data
from maskwatch_training.datasets.photos import Photo
from maskwatch_training.detector import evaluate
from maskwatch_training.detector.recipe import Recipe
from maskwatch_training.detector.tflite import Model
from maskwatch_training.labels import LABELS


@dataclass(frozen=True)
class Subject:
    """What is measured, on which photos, and where the results go."""

    model: Path
    data_folder: Path
    out: Path


def held_back(folder: Path, recipe: Recipe) -> list[Photo]:
    """Give the photos that the recipe holds back from training."""
    _, validation = data.split(
        data.read(folder, list(recipe.datasets)),
        share=recipe.validation.share,
        faceless_share=recipe.validation.faceless_share,
        seed=recipe.seed,
    )
    return validation


def measure(subject: Subject, recipe: Recipe, *, score_min: float) -> dict[str, Any]:
    """Measure a model; writes `truth.jsonl`, `predictions.jsonl` and `figures.json`."""
    photos = held_back(subject.data_folder, recipe)
    model = Model(subject.model)
    judged = evaluate.judge(model, evaluate.photos(photos))
    door = evaluate.judge(model, evaluate.door_proxy(photos, seed=recipe.seed))
    faced = [one for one in judged if len(one.shown.labels)]
    faceless = [one for one in judged if not len(one.shown.labels)]
    figures = {
        "photos": len(photos),
        "faces": evaluate.face_figures(judged, score_min=score_min),
        "by_dataset": {
            name: evaluate.face_figures(_of(faced, photos, name), score_min=score_min)
            for name in sorted({photo.dataset for photo in photos if len(photo.labels)})
        },
        "door_proxy": evaluate.door_figures(door, score_min=score_min),
        "faceless": evaluate.alarm_figures(faceless),
    }
    subject.out.mkdir(parents=True, exist_ok=True)
    _write_lines(subject.out / "truth.jsonl", [_truth(photo) for photo in photos])
    _write_lines(subject.out / "predictions.jsonl", list(evaluate.predictions(judged)))
    text = json.dumps(figures, indent=2) + "\n"
    (subject.out / "figures.json").write_text(text, encoding="utf-8")
    return figures


def _of(judged: list[evaluate.Judged], photos: list[Photo], dataset: str) -> list[evaluate.Judged]:
    files = {photo.file for photo in photos if photo.dataset == dataset}
    return [one for one in judged if one.name in files]


def _truth(photo: Photo) -> dict[str, Any]:
    names = [LABELS[int(label)] for label in photo.labels]
    boxes = [[float(v) for v in box] for box in photo.boxes_px]
    return {
        "file": photo.file,
        "width": photo.width,
        "height": photo.height,
        "dataset": photo.dataset,
        "boxes": [{"xyxy": b, "label": n} for b, n in zip(boxes, names, strict=True)],
    }


def _write_lines(path: Path, entries: list[dict[str, Any]]) -> None:
    path.write_text("".join(json.dumps(entry) + "\n" for entry in entries), encoding="utf-8")
