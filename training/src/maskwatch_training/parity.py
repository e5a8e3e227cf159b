"""Outputs before and after a step of an export, compared."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from maskwatch_training.arrays import Floats


class OutputsDiffer(ValueError):  # noqa: N818 - named for what is wrong, as all our errors are
    """A step of an export changed the outputs by more than it may; the message says which."""


@dataclass(frozen=True)
class Step:
    """A step of an export and the largest absolute difference it may make to any output."""

    name: str
    tolerance: float


def compare(expected: Sequence[Floats], actual: Sequence[Floats], step: Step) -> float:
    """Give the largest absolute difference between two lists of outputs.

    Raises:
        OutputsDiffer: Number or shapes disagree, a value is no number, or the difference is
            larger than the step's tolerance.
    """
    shapes = [[tuple(one.shape) for one in outputs] for outputs in (expected, actual)]
    if shapes[0] != shapes[1]:
        raise OutputsDiffer(f"{step.name}: shapes {shapes[0]} became {shapes[1]}")
    gaps = [
        float(np.abs(a.astype(np.float64) - b.astype(np.float64)).max(initial=0.0))
        for a, b in zip(expected, actual, strict=True)
    ]
    largest = max(gaps, default=0.0)
    if not largest <= step.tolerance:  # so that a difference that is no number is refused too
        raise OutputsDiffer(f"{step.name}: outputs differ by {largest:.3g}, not {step.tolerance:g}")
    return largest
