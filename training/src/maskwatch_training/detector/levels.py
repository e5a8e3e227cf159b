"""The cells of the detector: four levels, row-major within a level, finest first."""

from __future__ import annotations

import numpy as np

from maskwatch_training.arrays import Floats

STRIDES = (4, 8, 16, 32)

# Face sides (square root of the area, px of the input) that each level answers for. Neighbours
# overlap: a face in the overlap is positive on both, so no size falls between two levels.
SIDES_PX = ((0.0, 27.0), (21.0, 72.0), (56.0, 150.0), (118.0, float("inf")))


def cell_counts(size_px: int) -> tuple[int, ...]:
    """Count the cells of each level for a square input of `size_px`."""
    return tuple((size_px // stride) ** 2 for stride in STRIDES)


def cell_centres(size_px: int) -> tuple[Floats, Floats]:
    """Give every cell's centre and stride.

    Returns:
        Centres (N, 2) as x, y in px of the input, and strides (N, 1) in px.
    """
    centres, strides = [], []
    for stride in STRIDES:
        side = size_px // stride
        rows, columns = np.mgrid[0:side, 0:side]
        centres.append((np.stack([columns, rows], axis=-1).reshape(-1, 2) + 0.5) * stride)
        strides.append(np.full((side * side, 1), stride))
    return (
        np.concatenate(centres).astype(np.float32),
        np.concatenate(strides).astype(np.float32),
    )
