"""Figures of a classifier from its probabilities and the truth; pure."""

from __future__ import annotations

from typing import Any

import numpy as np

from maskwatch_training import calibration
from maskwatch_training.arrays import Flags, Floats, Integers
from maskwatch_training.classifier.recipe import NO_FACE

SIDES_PX = (0, 24, 48)  # least short sides of the faces counted, long side of the photo 640


def faces_only(probabilities: Floats, names: tuple[str, ...]) -> Floats:
    """Leave no_face out and let the rest sum to 1: the judgement of what is taken for a face."""
    others = [index for index, name in enumerate(names) if name != NO_FACE]
    kept = probabilities[:, others].astype(np.float64)
    return np.asarray(kept / kept.sum(axis=1, keepdims=True).clip(1e-9), np.float32)


def face_figures(
    probabilities: Floats, truth: Integers, sides_px: Floats, names: tuple[str, ...]
) -> dict[str, Any]:
    """Judge faces by least size: `judge` for each of SIDES_PX."""
    figures = {}
    for side in SIDES_PX:
        large = sides_px >= side
        figures[f"at_least_{side}_px"] = judge(probabilities[large], truth[large], names)
    return figures


def judge(probabilities: Floats, truth: Integers, names: tuple[str, ...]) -> dict[str, Any]:
    """Say how faces are judged.

    `mask_accuracy` counts mask and no_mask faces by the likeliest face class, as the figure of the
    detector's own classes does; `called_no_face` is the share for which no_face is likeliest of
    all; `bad_mask` precision and recall are among all faces.
    """
    face_names = tuple(name for name in names if name != NO_FACE)
    kept = faces_only(probabilities, names)
    among = np.array([face_names.index(names[int(label)]) for label in truth], np.int64)
    found = kept.argmax(axis=1) if len(kept) else np.zeros(0, np.int64)
    two = np.isin(among, [face_names.index("mask"), face_names.index("no_mask")])
    none = probabilities.argmax(axis=1) == names.index(NO_FACE) if len(truth) else np.zeros(0, bool)
    figures: dict[str, Any] = {
        "faces": len(truth),
        "mask_accuracy": share(found[two] == among[two]),
        "called_no_face": share(none),
        "calibration_error": rounded(calibration.error(kept, among)),
        "confusion": confusion(among, found, face_names),
    }
    if "bad_mask" in face_names:
        bad = face_names.index("bad_mask")
        figures["bad_mask_recall"] = share(found[among == bad] == bad)
        figures["bad_mask_precision"] = share(among[found == bad] == bad)
    return figures


def all_classes(probabilities: Floats, truth: Integers, names: tuple[str, ...]) -> dict[str, Any]:
    """Accuracy, mean recall of the classes, calibration and confusion over all outputs."""
    found = probabilities.argmax(axis=1)
    recalls = [share(found[truth == index] == index) for index in range(len(names))]
    shown = [recall for recall in recalls if recall is not None]
    return {
        "cuts": len(truth),
        "accuracy": share(found == truth),
        "mean_recall": rounded(float(np.mean(shown))),
        "recall": dict(zip(names, recalls, strict=True)),
        "calibration_error": rounded(calibration.error(probabilities, truth)),
        "confusion": confusion(truth, found, names),
    }


def confusion(truth: Integers, found: Integers, names: tuple[str, ...]) -> dict[str, int]:
    """Count truth -> judgement for every pair of names."""
    return {
        f"{a}->{b}": int(((truth == i) & (found == j)).sum())
        for i, a in enumerate(names)
        for j, b in enumerate(names)
    }


def share(flags: Flags) -> float | None:
    """Share that is true; None of nothing."""
    return rounded(float(np.mean(flags))) if len(flags) else None


def rounded(value: float) -> float:
    """Round as all figures are."""
    return round(value, 4)
