"""The manifest beside a model file: what it is, how to feed it, how to read its answers."""

from __future__ import annotations

import hashlib
import json
import uuid
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from maskwatch_training.detector.levels import STRIDES
from maskwatch_training.labels import LABELS
from maskwatch_training.views import FILL

# Fixed for this project, so that a name and a version always give the same guid.
_NAMESPACE = uuid.UUID("5b0f0d1e-6c1c-5a53-9a5e-2d5b4c6f7a10")


@dataclass(frozen=True)
class Thresholds:
    """Chosen on the validation photos; unitless, [0, 1]."""

    score: float
    nms_iou: float
    vote_iou: float
    unsure_below: float


@dataclass(frozen=True)
class Release:
    """One version of one model, and what is known of it."""

    name: str
    version: str
    size_px: int
    thresholds: Thresholds
    training: dict[str, Any]
    figures: dict[str, Any]


def guid(name: str, version: str) -> str:
    """Identify a version of a model; the same wherever and whenever it is asked."""
    return str(uuid.uuid5(_NAMESPACE, f"{name}/{version}"))


def compose(release: Release, model: Path) -> dict[str, Any]:
    """Describe a model file; the digest is taken from the file itself."""
    return {
        "name": release.name,
        "guid": guid(release.name, release.version),
        "version": release.version,
        "task": "face_mask_detector",
        "file": model.name,
        "sha256": hashlib.sha256(model.read_bytes()).hexdigest(),
        "input": {
            "size_px": release.size_px,
            "layout": "NHWC",
            "dtype": "float32",
            "range": [0, 255],
            "colour": "RGB",
            "letterbox_fill": FILL,
        },
        "strides": list(STRIDES),
        "labels": list(LABELS),
        "score_threshold": release.thresholds.score,
        "nms_iou": release.thresholds.nms_iou,
        "vote_iou": release.thresholds.vote_iou,
        "unsure_below": release.thresholds.unsure_below,
        "training": release.training,
        "figures": release.figures,
    }


def write(release: Release, model: Path) -> Path:
    """Write the manifest beside the model, with its stem."""
    path = model.with_suffix(".json")
    path.write_text(json.dumps(compose(release, model), indent=2) + "\n", encoding="utf-8")
    return path
