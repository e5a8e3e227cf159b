"""How far probabilities can be believed: expected calibration error, reliability, temperature."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from maskwatch_training.arrays import Floats, Integers

_LOG_TEMPERATURE = (np.log(0.05), np.log(20.0))
_GOLDEN = (np.sqrt(5.0) - 1) / 2
_NARROWINGS = 60


@dataclass(frozen=True)
class Reliability:
    """Faces by the confidence of their judgement, in B equal bins of [0, 1].

    `counts` faces in each bin; mean `confidence` and share of right judgements, `accuracy`, in it
    (0 where it is empty); `ece` is the expected calibration error in [0, 1].
    """

    counts: tuple[int, ...]
    confidence: tuple[float, ...]
    accuracy: tuple[float, ...]
    ece: float


def softmax(logits: Floats, temperature: float = 1.0) -> Floats:
    """Turn logits (N, C) into probabilities (N, C)."""
    scaled = logits.astype(np.float64) / temperature
    powers = np.exp(scaled - scaled.max(axis=1, keepdims=True))
    return np.asarray(powers / powers.sum(axis=1, keepdims=True), np.float32)


def reliability(probabilities: Floats, targets: Integers, *, bins: int) -> Reliability:
    """Compare confidence with accuracy.

    Source: Guo et al., On Calibration of Modern Neural Networks, ICML 2017.
    """
    confidences = probabilities.max(axis=1)
    is_right = probabilities.argmax(axis=1) == targets
    bin_of = np.minimum((confidences * bins).astype(int), bins - 1)
    counts = np.bincount(bin_of, minlength=bins)
    filled = np.maximum(counts, 1)
    confidence = np.bincount(bin_of, weights=confidences, minlength=bins) / filled
    accuracy = np.bincount(bin_of, weights=is_right, minlength=bins) / filled
    ece = float((counts * np.abs(confidence - accuracy)).sum() / max(1, len(targets)))
    return Reliability(
        tuple(map(int, counts)), tuple(map(float, confidence)), tuple(map(float, accuracy)), ece
    )


def likelihood_loss(logits: Floats, targets: Integers, temperature: float = 1.0) -> float:
    """Give the mean negative log-likelihood, in nats."""
    chosen = softmax(logits, temperature)[np.arange(len(targets)), targets]
    return float(-np.log(np.maximum(chosen, 1e-12)).mean())


def temperature(logits: Floats, targets: Integers) -> float:
    """Fit the temperature, in [0.05, 20], that makes held-back faces most likely.

    Golden-section search over its logarithm: the loss has one minimum there. Source: as above.
    """
    low, high = _LOG_TEMPERATURE

    def loss(log_temperature: float) -> float:
        return likelihood_loss(logits, targets, float(np.exp(log_temperature)))

    inner, outer = high - _GOLDEN * (high - low), low + _GOLDEN * (high - low)
    at_inner, at_outer = loss(inner), loss(outer)
    for _ in range(_NARROWINGS):
        if at_inner < at_outer:
            high, outer, at_outer = outer, inner, at_inner
            inner = high - _GOLDEN * (high - low)
            at_inner = loss(inner)
        else:
            low, inner, at_inner = inner, outer, at_outer
            outer = low + _GOLDEN * (high - low)
            at_outer = loss(outer)
    return float(np.exp((low + high) / 2))
