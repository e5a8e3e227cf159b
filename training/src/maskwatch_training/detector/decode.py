"""From the exported model's three outputs to faces, in numpy."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from maskwatch_training.arrays import Floats, Integers
from maskwatch_training.detector.levels import cell_centres
from maskwatch_training.detector.precision import iou

_MOST_CANDIDATES = 600
VOTE_IOU = 0.55


@dataclass(frozen=True)
class Faces:
    """Found faces, best first: `boxes_px` (F, 4) xyxy, `scores` (F,), `classes` (F, 3)."""

    boxes_px: Floats
    scores: Floats
    classes: Floats

    @property
    def labels(self) -> Integers:
        """The likeliest class of each face, (F,), an index into LABELS."""
        return np.asarray(np.argmax(self.classes, axis=1), np.int64)


@dataclass(frozen=True)
class Limits:
    """What counts as a face: least score in [0, 1], largest IoU of two different faces.

    Cells whose box has at least `vote_iou` with a kept one's have a vote on its corners and class.
    """

    score_min: float
    iou_max: float = 0.45
    vote_iou: float = VOTE_IOU


@dataclass(frozen=True)
class Outputs:
    """One image's answers: `scores` (N, 1), `boxes` (N, 4) in strides, `classes` (N, 3)."""

    scores: Floats
    boxes: Floats
    classes: Floats


def faces(outputs: Outputs, limits: Limits, *, size_px: int) -> Faces:
    """Keep the cells above the threshold, one for each face, in px of the input."""
    scores = outputs.scores[:, 0]
    candidates = np.flatnonzero(scores >= limits.score_min)
    candidates = candidates[np.argsort(-scores[candidates], kind="stable")][:_MOST_CANDIDATES]
    centres, strides = cell_centres(size_px)
    distances = outputs.boxes[candidates] * strides[candidates]
    middle = centres[candidates]
    boxes = np.concatenate([middle - distances[:, :2], middle + distances[:, 2:]], axis=1)
    kept = suppress(boxes, iou_max=limits.iou_max)
    votes = ballot(boxes, kept, scores[candidates], iou_min=limits.vote_iou)
    return Faces(votes @ boxes, scores[candidates[kept]], votes @ outputs.classes[candidates])


def ballot(boxes_px: Floats, kept: Integers, scores: Floats, *, iou_min: float) -> Floats:
    """Weigh the votes of all boxes (F, 4) on each kept one by their squared scores.

    Returns:
        (K, F), rows of sum 1: a kept box is the mean of those that overlap it, itself among them.

    Source: Gidaris and Komodakis, Object detection via a multi-region CNN, ICCV 2015 (box voting).
    """
    weights = np.where(iou(boxes_px[kept], boxes_px) >= iou_min, np.square(scores), 0)
    weights[np.arange(len(kept)), kept] = np.square(scores[kept])  # also one without area
    return np.asarray(weights / weights.sum(axis=1, keepdims=True), np.float32)


def suppress(boxes_px: Floats, *, iou_max: float) -> Integers:
    """Indices of the boxes that greedy suppression keeps; boxes (F, 4) come best first."""
    areas = (boxes_px[:, 2:] - boxes_px[:, :2]).clip(0).prod(axis=1)
    waiting = np.arange(len(boxes_px))
    kept = []
    while len(waiting):
        best, rest = waiting[0], waiting[1:]
        kept.append(best)
        low = np.maximum(boxes_px[best, :2], boxes_px[rest, :2])
        high = np.minimum(boxes_px[best, 2:], boxes_px[rest, 2:])
        inner = (high - low).clip(0).prod(axis=1)
        iou = inner / np.maximum(areas[best] + areas[rest] - inner, 1e-9)
        waiting = rest[iou <= iou_max]
    return np.array(kept, np.int64)
