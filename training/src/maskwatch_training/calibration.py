"""How far stated probabilities can be believed, and the temperature that mends them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from maskwatch_training.arrays import Floats, Integers

# A few held-back faces are often told apart without an error; their likelihood then grows without
# end as the temperature falls, and every judgement would be made a certainty.
_LOG_TEMPERATURE = (np.log(0.2), np.log(5.0))
_GOLDEN = (np.sqrt(5.0) - 1) / 2
_NARROWINGS = 40  # the last interval is 1e-8 of the first
_BINS = 15


@dataclass(frozen=True)
class Reliability:
    """Faces by the confidence of their judgement, in B equal bins of [0, 1].

    `counts` faces in each bin; mean `confidence` and share of right judgements, `accuracy`, in it
    (0 where it is empty); `ece` is the expected calibration error in [0, 1], nan without a face.
    """

    counts: tuple[int, ...]
    confidence: tuple[float, ...]
    accuracy: tuple[float, ...]
    ece: float


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
    powers = np.exp(scaled - scaled.max(axis=1, keepdims=True))
    return np.asarray(powers / powers.sum(axis=1, keepdims=True), np.float32)


def likelihood_loss(logits: Floats, targets: Integers, temperature: float = 1.0) -> float:
    """Give the mean negative log-likelihood, in nats; exact also where a probability underflows."""
    scaled = logits.astype(np.float64) / temperature
    scaled -= scaled.max(axis=1, keepdims=True)
    chosen = scaled[np.arange(len(targets)), targets]
    return float((np.log(np.exp(scaled).sum(axis=1)) - chosen).mean())


def temperature(logits: Floats, targets: Integers) -> float:
    """Fit the temperature, in [0.2, 5], that makes held-back faces most likely.

    Golden-section search over its logarithm: the loss has one minimum there.
    Source: Guo et al., On Calibration of Modern Neural Networks, ICML 2017.
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


def reliability(probabilities: Floats, targets: Integers, *, bins: int = _BINS) -> Reliability:
    """Compare confidence with accuracy.

    Source: Naeini et al., Obtaining Well Calibrated Probabilities, AAAI 2015.
    """
    confidences = probabilities.max(axis=1)
    is_right = probabilities.argmax(axis=1) == targets
    bin_of = np.minimum((confidences * bins).astype(int), bins - 1)
    counts = np.bincount(bin_of, minlength=bins)
    filled = np.maximum(counts, 1)
    confidence = np.bincount(bin_of, weights=confidences, minlength=bins) / filled
    accuracy = np.bincount(bin_of, weights=is_right, minlength=bins) / filled
    gap = float((counts * np.abs(confidence - accuracy)).sum())
    return Reliability(
        counts=tuple(map(int, counts)),
        confidence=tuple(map(float, confidence)),
        accuracy=tuple(map(float, accuracy)),
        ece=gap / len(targets) if len(targets) else float("nan"),
    )


def error(probabilities: Floats, targets: Integers) -> float:
    """Expected calibration error of the likeliest class, 15 equal bins; nan without a face."""
    return reliability(probabilities, targets).ece


def calibrate(logits: Floats, targets: Integers, groups: Integers) -> Calibration:
    """Fit on all cuts; `groups` (N,) keeps cuts of one photo in one half of the cross-fitting."""
    fitted = temperature(logits, targets)
    crossed = softmax(logits)
    for half in (0, 1):
        own, other = groups % 2 == half, groups % 2 != half
        if own.any() and other.any():
            crossed[own] = softmax(logits[own], temperature(logits[other], targets[other]))
    return Calibration(
        temperature=fitted,
        error_before=error(softmax(logits), targets),
        error_after=error(softmax(logits, fitted), targets),
        error_cross_fitted=error(crossed, targets),
    )
