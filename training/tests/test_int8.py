"""Ranges hold everything that any picture causes."""

import numpy as np
from maskwatch_training import int8
from maskwatch_training.int8 import Ranges


def _found(least: float, greatest: float) -> Ranges:
    return {"tensor": {"min": np.array([[least]]), "max": np.array([[greatest]]), "num_samples": 1}}


def test_range_holds_the_ends_of_every_picture() -> None:
    ranges: Ranges = {}

    for ends in ((-1.0, 2.0), (-0.5, 9.0), (-3.0, 1.0)):
        int8.widen(ranges, _found(*ends))

    assert float(ranges["tensor"]["min"][0, 0]) == -3.0
    assert float(ranges["tensor"]["max"][0, 0]) == 9.0


def test_what_was_found_is_left_as_it_was() -> None:
    first = _found(-1.0, 2.0)
    ranges: Ranges = {}
    int8.widen(ranges, first)

    int8.widen(ranges, _found(-5.0, 5.0))

    assert float(first["tensor"]["max"][0, 0]) == 2.0


def test_tensors_are_kept_apart() -> None:
    ranges: Ranges = {}
    int8.widen(ranges, _found(-1.0, 2.0))

    int8.widen(ranges, {"other": {"min": np.array([0.0]), "max": np.array([1.0])}})

    assert float(ranges["tensor"]["min"][0, 0]) == -1.0
    assert set(ranges) == {"tensor", "other"}
