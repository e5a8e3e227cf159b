"""How far stated probabilities can be believed, and the temperature that mends them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from maskwatch_training.arrays import Floats, Integers

_TEMPERATURES = np.exp(np.linspace(np.log(0.2), np.log(5.0), 401))
_BINS = 15


@dataclass(frozen=True)
class Calibration:
    """A temperature and the expected calibration errors without it, with it, and cross-fitted.

    Cross-fitted: each half of the cuts judged with the temperature of the other half.
    """

    temperature: float
    error_before: float
    error_after: float
    error_cross_fitted: float


def softmax(logits: Floats, temperature: float = 1.0) -> Floats:
    """Turn logits (N, C) into probabilities (N, C)."""
    scaled = logits.astype(np.float64) / temperature
    raised = np.exp(scaled - scaled.max(axis=1, keepdims=True))
    return np.asarray(raised / raised.sum(axis=1, keepdims=True), np.float32)


def fit(logits: Floats, labels: Integers) -> float:
    """Find the temperature with the least negative log-likelihood, within .2 and 5.

    Source: Guo et al., On Calibration of Modern Neural Networks, ICML 2017.
    """
    rows = np.arange(len(labels))
    costs = [
        -np.log(softmax(logits, float(t))[rows, labels].clip(1e-9)).mean() for t in _TEMPERATURES
    ]
    return float(_TEMPERATURES[int(np.argmin(costs))])


def error(probabilities: Floats, labels: Integers) -> float:
    """Expected calibration error of the likeliest class, 15 equal bins; nan without a cut.

    Source: Naeini et al., Obtaining Well Calibrated Probabilities, AAAI 2015.
    """
    if not len(labels):
        return float("nan")
    confidence = probabilities.max(axis=1)
    is_right = probabilities.argmax(axis=1) == labels
    bins = np.minimum((confidence * _BINS).astype(int), _BINS - 1)
    gaps = [
        abs(float(is_right[bins == b].mean()) - float(confidence[bins == b].mean()))
        * int((bins == b).sum())
        for b in np.unique(bins)
    ]
    return float(sum(gaps) / len(labels))


def calibrate(logits: Floats, labels: Integers, groups: Integers) -> Calibration:
    """Fit on all cuts; `groups` (N,) keeps cuts of one photo in one half of the cross-fitting."""
    temperature = fit(logits, labels)
    crossed = softmax(logits)
    for half in (0, 1):
        own, other = groups % 2 == half, groups % 2 != half
        if own.any() and other.any():
            crossed[own] = softmax(logits[own], fit(logits[other], labels[other]))
    return Calibration(
        temperature=temperature,
        error_before=error(softmax(logits), labels),
        error_after=error(softmax(logits, temperature), labels),
        error_cross_fitted=error(crossed, labels),
    )
