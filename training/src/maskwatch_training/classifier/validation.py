"""The whole measurement of an exported classifier, written to a folder."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from maskwatch_training import record
from maskwatch_training.arrays import Floats
from maskwatch_training.classifier import blend, cuts, evaluate, tflite
from maskwatch_training.classifier.cuts import Cuts
from maskwatch_training.classifier.recipe import Recipe
from maskwatch_training.datasets import holdout
from maskwatch_training.datasets.photos import Photo
from maskwatch_training.detector import evaluate as face_evaluate
from maskwatch_training.detector.tflite import Model as Detector

_FACE_SETS = ("exact", "jittered", "tight", "door")
_FACELESS_SETS = ("backgrounds", "alarms")


class WrongModel(ValueError):  # noqa: N818 - named for what is wrong, as all our errors are
    """The model's tensors are not what the recipe says."""


@dataclass(frozen=True)
class Subject:
    """What is measured, on which photos, behind which detector, and where the results go."""

    model: Path
    data_folder: Path
    detector: Path
    out: Path


def measure(subject: Subject, recipe: Recipe, *, score_min: float) -> dict[str, Any]:
    """Measure a model on held-back photos; writes `figures.json` and a record.

    Raises:
        WrongModel: Its input or labels are not the recipe's.
    """
    model, detector = tflite.Model(subject.model), Detector(subject.detector)
    check(model, recipe, subject.model)
    held = holdout.read(subject.data_folder, recipe)
    settings = recipe.model_dump(mode="json") | {"score": score_min, "held_back": held.origin}
    sources = [subject.model, subject.detector, *held.sources]
    job = record.Job("evaluate", subject.out, recipe.seed, settings, sources)
    with record.recording(job) as results:
        photos = held.validation
        sets = cuts.gather(photos, recipe, detector)
        said = {name: model.judge_all(own.images) for name, own in sets.items()}
        figures = {
            "photos": len(photos),
            "milliseconds": round(model.milliseconds(), 3),
            **figures_of(sets, said, recipe.names),
            "behind_detector": _behind((detector, model), photos, recipe, score_min),
        }
        record.write_json(subject.out / "figures.json", figures)
        results["milliseconds"] = figures["milliseconds"]
    return figures


def _behind(
    models: tuple[Detector, tflite.Model], photos: list[Photo], recipe: Recipe, score_min: float
) -> dict[str, Any]:
    seen = blend.ask(models, face_evaluate.photos(photos), recipe)
    door = blend.ask(models, face_evaluate.door_proxy(photos, seed=recipe.seed), recipe)
    tight = blend.ask(models, cuts.tight_photos(photos), recipe)
    return {
        "score_threshold": score_min,
        "photos": blend.sweep(seen, score_min=score_min),
        "door": blend.sweep_single(door, score_min=score_min),
        "tight": blend.sweep_single(tight, score_min=score_min),
    }


def check(model: tflite.Model, recipe: Recipe, path: Path) -> None:
    """Refuse a model that is not of the recipe.

    Raises:
        WrongModel: Says what differs.
    """
    wanted = (recipe.input.size_px, recipe.input.channels, len(recipe.labels))
    found = (model.size_px, model.channels, model.labels)
    if found != wanted:
        raise WrongModel(f"{path}: side, channels and labels are {found}, the recipe says {wanted}")


def figures_of(
    sets: dict[str, Cuts], said: dict[str, Floats], names: tuple[str, ...]
) -> dict[str, Any]:
    """Figures by set of cuts, and over all labels for faces and cuts without one together."""
    figures: dict[str, Any] = {
        name: evaluate.face_figures(said[name], sets[name].truth, sets[name].sides, names)
        for name in _FACE_SETS
    }
    for name in _FACELESS_SETS:
        figures[name] = evaluate.all_classes(said[name], sets[name].truth, names)
    for side in evaluate.SIDES_PX:
        figures[f"all_labels_at_least_{side}_px"] = _together(sets, said, names, side)
    return figures


def _together(
    sets: dict[str, Cuts],
    said: dict[str, Floats],
    names: tuple[str, ...],
    side: int,
) -> dict[str, Any]:
    """Exact faces from a side on, and drawn cuts without a face."""
    large = sets["exact"].sides >= side
    probabilities = [said["exact"][large], said["backgrounds"]]
    truth = [sets["exact"].truth[large], sets["backgrounds"].truth]
    return evaluate.all_classes(np.concatenate(probabilities), np.concatenate(truth), names)
