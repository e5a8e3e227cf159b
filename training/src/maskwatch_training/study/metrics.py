"""Figures of a classifier on faces it was not trained on."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from maskwatch_training.arrays import Integers

_NORMAL_95 = 1.959964  # quantile of the normal distribution for a two-sided 95 % interval


@dataclass(frozen=True)
class ClassFigures:
    """Precision, recall and F1 of one class in [0, 1], and its number of faces."""

    precision: float
    recall: float
    f1: float
    faces: int


@dataclass(frozen=True)
class Scores:
    """Accuracy with its 95 % interval, macro means over the classes, the classes, the confusion.

    `confusion[i][j]` counts faces of class i judged as class j.
    """

    accuracy: float
    accuracy_low: float
    accuracy_high: float
    precision: float
    recall: float
    f1: float
    by_class: tuple[ClassFigures, ...]
    confusion: tuple[tuple[int, ...], ...]


def scores(judged: Integers, targets: Integers, *, classes: int) -> Scores:
    """Score judgements, (N,), against the truth, (N,); N > 0.

    A ratio without any case (nothing judged as that class) counts as 0.
    """
    confusion = np.zeros((classes, classes), np.int64)
    np.add.at(confusion, (targets, judged), 1)
    right = confusion.diagonal()
    precision = right / np.maximum(confusion.sum(axis=0), 1)
    recall = right / np.maximum(confusion.sum(axis=1), 1)
    f1 = 2 * precision * recall / np.maximum(precision + recall, 1e-12)
    low, high = interval(int(right.sum()), len(targets))
    faces = confusion.sum(axis=1)
    return Scores(
        accuracy=float(right.sum() / len(targets)),
        accuracy_low=low,
        accuracy_high=high,
        precision=float(precision.mean()),
        recall=float(recall.mean()),
        f1=float(f1.mean()),
        by_class=tuple(
            ClassFigures(float(precision[i]), float(recall[i]), float(f1[i]), int(faces[i]))
            for i in range(classes)
        ),
        confusion=tuple(tuple(map(int, row)) for row in confusion),
    )


def interval(successes: int, trials: int) -> tuple[float, float]:
    """Give the 95 % interval of a share.

    Source: Wilson, Probable Inference, the Law of Succession, and Statistical Inference, 1927.
    """
    share, spread = successes / trials, _NORMAL_95**2 / trials
    middle = share + spread / 2
    reach = _NORMAL_95 * math.sqrt(share * (1 - share) / trials + spread / (4 * trials))
    low, high = (middle - reach) / (1 + spread), (middle + reach) / (1 + spread)
    return max(0.0, low), min(1.0, high)
