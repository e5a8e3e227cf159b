"""Average precision of found faces, in the COCO manner of matching."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from maskwatch_training.arrays import Flags, Floats, Integers

_REFERENCE_SIDE_PX = 640.0  # face sizes are told as if a photo's long side had this many px


@dataclass(frozen=True)
class Case:
    """One photo: truth (G, 4) with labels (G,), finds (F, 4), best first, all in its px."""

    long_side_px: float
    truth_px: Floats
    truth_labels: Integers
    found_px: Floats
    scores: Floats
    labels: Integers


@dataclass(frozen=True)
class Matches:
    """Pooled finds of many photos: score, right or not, and the classes of the right ones."""

    scores: Floats
    is_right: Flags
    true_labels: Integers
    found_labels: Integers
    faces: int


def iou(first_px: Floats, second_px: Floats) -> Floats:
    """Intersection over union of (A, 4) and (B, 4), shape (A, B)."""
    low = np.maximum(first_px[:, None, :2], second_px[None, :, :2])
    high = np.minimum(first_px[:, None, 2:], second_px[None, :, 2:])
    inner = (high - low).clip(0).prod(axis=2)
    areas = [(boxes[:, 2:] - boxes[:, :2]).clip(0).prod(axis=1) for boxes in (first_px, second_px)]
    whole = areas[0][:, None] + areas[1][None] - inner
    return np.asarray(inner / np.maximum(whole, 1e-9), np.float32)


def match(cases: Sequence[Case], *, iou_min: float, side_min_px: float) -> Matches:
    """Match finds with faces; faces below `side_min_px` (long side 640) are left out."""
    rows: list[tuple[float, bool, int, int]] = []
    faces = 0
    for case in cases:
        large = _short_sides(case.truth_px, case) >= side_min_px
        faces += int(large.sum())
        rows += _match_one(case, large, iou_min, side_min_px)
    table = np.array(rows, np.float64).reshape(-1, 4)
    return Matches(
        scores=table[:, 0].astype(np.float32),
        is_right=table[:, 1] > 0,
        true_labels=table[:, 2].astype(np.int64),
        found_labels=table[:, 3].astype(np.int64),
        faces=faces,
    )


def _short_sides(boxes_px: Floats, case: Case) -> Floats:
    sides = (boxes_px[:, 2:] - boxes_px[:, :2]).min(axis=1, initial=np.inf)
    return np.asarray(sides * _REFERENCE_SIDE_PX / case.long_side_px, np.float32)


def _match_one(
    case: Case, large: Flags, iou_min: float, side_min_px: float
) -> list[tuple[float, bool, int, int]]:
    overlaps = iou(case.found_px, case.truth_px)
    found_sides = _short_sides(case.found_px, case)
    free = large.copy()
    rows = []
    for index in range(len(case.scores)):
        near = overlaps[index] >= iou_min
        score, label = float(case.scores[index]), int(case.labels[index])
        if (near & free).any():
            face = int(np.argmax(np.where(near & free, overlaps[index], -1)))
            free[face] = False
            rows.append((score, True, int(case.truth_labels[face]), label))
        elif not (near & ~large).any() and found_sides[index] >= side_min_px:
            rows.append((score, False, -1, label))
    return rows


def average_precision(matches: Matches) -> float:
    """Area under the monotone precision-recall curve (all points); nan without a face."""
    if matches.faces == 0:
        return float("nan")
    order = np.argsort(-matches.scores, kind="stable")
    right = matches.is_right[order].cumsum()
    precision = right / np.arange(1, len(right) + 1)
    recall = np.concatenate([[0], right / matches.faces])
    envelope = np.maximum.accumulate(precision[::-1])[::-1]
    return float((np.diff(recall) * envelope).sum())
