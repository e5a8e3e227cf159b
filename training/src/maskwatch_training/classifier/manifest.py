"""The manifest beside a classifier: see "Two manifests" in docs/architecture.md."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from maskwatch_training import record
from maskwatch_training.classifier.recipe import Recipe
from maskwatch_training.detector.manifest import guid


@dataclass(frozen=True)
class Use:
    """How the edge detector uses it; all but the side unitless in [0, 1], chosen in validation."""

    weight: float
    veto: float
    unsure_below: float
    least_side_px: float


@dataclass(frozen=True)
class Release:
    """One version of one classifier, and what is known of it."""

    version: str
    use: Use
    training: dict[str, Any]
    figures: dict[str, Any]


def compose(release: Release, recipe: Recipe, model: Path, *, dtype: str) -> dict[str, Any]:
    """Describe a model file, whose stem is its name; the digest is taken from the file itself."""
    return {
        "name": model.stem,
        "guid": guid(model.stem, release.version),
        "version": release.version,
        "task": "mask_classifier",
        "file": model.name,
        "sha256": hashlib.sha256(model.read_bytes()).hexdigest(),
        "input": {
            "size_px": recipe.input.size_px,
            "layout": "NHWC",
            "dtype": dtype,
            "range": [0, 255],
            "colour": recipe.input.colour,
        },
        "margin": recipe.margin,
        "labels": list(recipe.names),
        "least_side_px": release.use.least_side_px,
        "weight": release.use.weight,
        "veto": release.use.veto,
        "unsure_below": release.use.unsure_below,
        "training": release.training,
        "figures": release.figures,
    }


def write(release: Release, recipe: Recipe, model: Path, *, dtype: str) -> Path:
    """Write the manifest beside the model, with its stem, whole or not at all."""
    path = model.with_suffix(".json")
    record.write_json(path, compose(release, recipe, model, dtype=dtype))
    return path
