"""The whole measurement of an exported model, written to a folder."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from maskwatch_training import record
from maskwatch_training.datasets.photos import Photo
from maskwatch_training.detector import evaluate, scenes
from maskwatch_training.detector.recipe import Recipe
from maskwatch_training.detector.tflite import Model
from maskwatch_training.labels import LABELS


@dataclass(frozen=True)
class Subject:
    """What is measured, on which photos, and where the results go."""

    model: Path
    data_folder: Path
    out: Path


def measure(subject: Subject, recipe: Recipe, *, score_min: float) -> dict[str, Any]:
    """Measure a model on the scenes held back.

    Writes `truth.jsonl`, `predictions.jsonl`, `figures.json` and a record.
    """
    held = scenes.read(subject.data_folder, recipe)
    settings = recipe.model_dump(mode="json") | {"score": score_min, "held_back": held.origin}
    sources = [subject.model, *held.sources]
    job = record.Job("evaluate", subject.out, recipe.seed, settings, sources)
    with record.recording(job) as results:
        figures = _figures(subject, recipe, held.validation, score_min)
        results["photos"] = figures["photos"]
    return figures


def _figures(
    subject: Subject, recipe: Recipe, photos: list[Photo], score_min: float
) -> dict[str, Any]:
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
    _write_lines(subject.out / "truth.jsonl", [_truth(photo) for photo in photos])
    _write_lines(subject.out / "predictions.jsonl", list(evaluate.predictions(judged)))
    record.write_json(subject.out / "figures.json", figures)
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
