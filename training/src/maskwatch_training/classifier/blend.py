"""Detector and classifier together: what weight and veto do on held-back photos."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from maskwatch_training.arrays import Floats
from maskwatch_training.classifier import crops, tflite
from maskwatch_training.classifier.evaluate import faces_only
from maskwatch_training.classifier.recipe import NO_FACE, Recipe
from maskwatch_training.detector import evaluate
from maskwatch_training.detector import tflite as detector_tflite
from maskwatch_training.detector.decode import Faces, Limits
from maskwatch_training.detector.evaluate import Judged
from maskwatch_training.labels import LABELS
from maskwatch_training.views import View

_SCORE_MIN = 0.05  # of the boxes that a classifier is asked about
WEIGHTS = (0.0, 0.25, 0.5, 0.75, 1.0)
VETOES = (0.0, 0.5, 0.75, 0.9, 1.0)
LEAST_SIDES_PX = (0.0, 16.0, 24.0, 32.0)


@dataclass(frozen=True)
class Mix:
    """How much of the classifier: see "Two manifests" in docs/architecture.md."""

    weight: float
    veto: float
    least_side_px: float


@dataclass(frozen=True)
class Opinion:
    """What both say of one picture.

    `judged` are the detector's faces; of the classifier, `classes` (F, 3) in the order of LABELS
    without no_face, and `no_face` (F,).
    """

    judged: Judged
    classes: Floats
    no_face: Floats


def ask(
    models: tuple[detector_tflite.Model, tflite.Model],
    pictures: Iterable[tuple[str, View]],
    recipe: Recipe,
) -> list[Opinion]:
    """Let the detector find faces in named pictures and the classifier judge its boxes."""
    detector, classifier = models
    opinions = []
    for name, shown in pictures:
        found = evaluate.find(detector, shown.image, Limits(score_min=_SCORE_MIN))
        cuts = [
            crops.as_input(
                crops.cut(shown.image, box, margin=recipe.margin, size_px=recipe.input.size_px),
                recipe.input.colour,
            )
            for box in found.boxes_px
        ]
        said = classifier.judge_all(cuts)
        opinions.append(
            Opinion(
                Judged(name, shown, found),
                _in_order_of_labels(said, recipe.names),
                said[:, recipe.names.index(NO_FACE)],
            )
        )
    return opinions


def _in_order_of_labels(said: Floats, names: tuple[str, ...]) -> Floats:
    faces = [name for name in names if name != NO_FACE]
    classes = np.zeros((len(said), len(LABELS)), np.float32)
    classes[:, [LABELS.index(name) for name in faces]] = faces_only(said, names)
    return classes


def mix(opinion: Opinion, how: Mix) -> Judged:
    """Blend the class probabilities and lower the scores of what is no face."""
    found = opinion.judged.found
    sides = (found.boxes_px[:, 2:] - found.boxes_px[:, :2]).min(axis=1, initial=np.inf)
    asked = sides >= how.least_side_px
    weight = np.where(asked, how.weight, 0.0)[:, None]
    classes = (1 - weight) * found.classes + weight * opinion.classes
    scores = found.scores * (1 - np.where(asked, how.veto, 0.0) * opinion.no_face)
    order = np.argsort(-scores, kind="stable")
    faces = Faces(
        found.boxes_px[order],
        scores[order].astype(np.float32),
        classes[order].astype(np.float32),
    )
    return Judged(opinion.judged.name, opinion.judged.shown, faces)


def sweep(opinions: Sequence[Opinion], *, score_min: float) -> list[dict[str, Any]]:
    """Measure weights (without veto), then vetoes (with weight .5), then least sides."""
    ways = [Mix(weight, 0.0, 0.0) for weight in WEIGHTS]
    ways += [Mix(0.5, veto, 0.0) for veto in VETOES[1:]]
    ways += [Mix(0.5, 0.75, side) for side in LEAST_SIDES_PX[1:]]
    return [measure(opinions, way, score_min=score_min) for way in ways]


def measure(opinions: Sequence[Opinion], how: Mix, *, score_min: float) -> dict[str, Any]:
    """Figures of the detector with a classifier behind it, at one score threshold."""
    judged = [mix(opinion, how) for opinion in opinions]
    faceless = [one for one in judged if not len(one.shown.labels)]
    return {
        "weight": how.weight,
        "veto": how.veto,
        "least_side_px": how.least_side_px,
        "faces": evaluate.face_figures(judged, score_min=score_min),
        "faceless": evaluate.alarm_figures(faceless),
    }


def sweep_single(opinions: Sequence[Opinion], *, score_min: float) -> list[dict[str, Any]]:
    """Measure the weights on pictures of one face each: door proxy, tight crops."""
    return [
        {
            "weight": weight,
            **evaluate.door_figures(
                [mix(opinion, Mix(weight, 0.0, 0.0)) for opinion in opinions], score_min=score_min
            ),
        }
        for weight in WEIGHTS
    ]
