"""The learning-rate range test."""

from __future__ import annotations

import math
import statistics
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from maskwatch_training.study.recipe import RateFinder

_SMOOTHING = 0.8  # share of the former mean in the running mean of the loss
_DIVERGED = 4.0  # times the best loss: larger rates only get worse
_BACK = 10.0  # at the minimum, and at the edge, training is about to diverge
_FALLEN = 0.85  # of the loss at the start; a smaller fall is the noise of batches
_RISEN = 1.25  # the same upwards


@dataclass(frozen=True)
class Sweep:
    """Rates tried and the smoothed loss at each, both (N,), and the rate chosen with its reason."""

    rates: tuple[float, ...]
    losses: tuple[float, ...]
    rate: float
    reason: str


def sweep(step: Callable[[float], float], plan: RateFinder, fallback: float) -> Sweep:
    """Try rising learning rates, one step each, and choose one.

    Args:
        step: Takes one training step at a rate and gives its loss.
        plan: Range and number of steps; the rates rise geometrically.
        fallback: The rate where the loss did not fall.

    Source: Smith, Cyclical Learning Rates for Training Neural Networks, WACV 2017; a tenth of the
    rate with the least loss is Gugger's choice, How Do You Find A Good Learning Rate, 2018.
    """
    rates: list[float] = []
    losses: list[float] = []
    mean = 0.0
    for index in range(plan.steps):
        rate = plan.least * (plan.most / plan.least) ** (index / (plan.steps - 1))
        loss = step(rate)
        if not math.isfinite(loss):
            break
        mean = _SMOOTHING * mean + (1 - _SMOOTHING) * loss
        rates.append(rate)
        losses.append(mean / (1 - _SMOOTHING ** (index + 1)))
        if losses[-1] > _DIVERGED * min(losses):
            break
    rate, reason = choose(rates, losses, fallback)
    return Sweep(tuple(rates), tuple(losses), rate, reason)


def choose(rates: Sequence[float], losses: Sequence[float], fallback: float) -> tuple[float, str]:
    """Give the rate to train with, and why.

    The start is the median over the first third of the sweep. What is trained already falls little
    further in a sweep: there the edge counts, the last rate before the loss rises for good.
    """
    if not losses:
        return fallback, "the loss was no number from the first step: the recipe's rate"
    third = max(1, len(losses) // 3)
    start, later = statistics.median(losses[:third]), range(third, len(losses))
    lowest = min(later, key=losses.__getitem__, default=0)
    if losses[lowest] < _FALLEN * start:
        return _backed(rates, lowest), f"a tenth of {rates[lowest]:.2g}, where the loss was least"
    borne = [index for index in later if losses[index] <= _RISEN * start]
    edge = borne[-1] if borne else third - 1
    if edge < len(losses) - 1:
        return _backed(rates, edge), f"a tenth of {rates[edge]:.2g}, before the loss rose"
    return fallback, "the loss neither fell nor rose in the sweep: the recipe's rate"


def _backed(rates: Sequence[float], index: int) -> float:
    return max(rates[index] / _BACK, rates[0])
