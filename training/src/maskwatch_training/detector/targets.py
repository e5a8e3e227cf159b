"""What the network should say of every cell of one training image."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from maskwatch_training.arrays import Flags, Floats, Integers
from maskwatch_training.detector.levels import SIDES_PX, STRIDES, cell_counts

# Share of the box that the Gaussian covers; Liu et al., Training-Time-Friendly Network, AAAI 2020.
_SPREAD = 0.54


@dataclass(frozen=True)
class Targets:
    """Targets by cell, N cells in the order of the levels.

    `heat` (N,) in [0, 1], 1 at a face's centre cell; `counts` (N,) False where the truth is
    unknown; `boxes` (N, 4) distances in strides; `weights` (N,), 1 in sum over each face and
    level; `labels` (N,) indexes LABELS where the weight is above 0.
    """

    heat: Floats
    counts: Flags
    boxes: Floats
    weights: Floats
    labels: Integers


@dataclass(frozen=True)
class _Grid:
    stride: int
    side: int
    targets: Targets


def assign(boxes_px: Floats, labels: Integers, ignored_px: Floats, *, size_px: int) -> Targets:
    """Assign faces to levels by size and to cells by a Gaussian around their centre.

    Args:
        boxes_px: Faces, (F, 4) xyxy in px of the input.
        labels: Their classes, (F,).
        ignored_px: Regions that count neither as face nor as background, (G, 4).
        size_px: Side of the square input.
    """
    total = sum(cell_counts(size_px))
    targets = Targets(
        heat=np.zeros(total, np.float32),
        counts=np.ones(total, np.bool_),
        boxes=np.zeros((total, 4), np.float32),
        weights=np.zeros(total, np.float32),
        labels=np.zeros(total, np.int64),
    )
    sides_px = np.sqrt((boxes_px[:, 2:] - boxes_px[:, :2]).prod(axis=1))
    largest_first = np.argsort(-sides_px)
    start = 0
    for stride, (low, high) in zip(STRIDES, SIDES_PX, strict=True):
        side = size_px // stride
        grid = _Grid(stride, side, _view(targets, start, side))
        start += side * side
        for box in ignored_px:
            _ignore(grid, box)
        for index in largest_first:
            if low <= sides_px[index] < high:
                _draw(grid, boxes_px[index], int(labels[index]))
    return targets


def _view(targets: Targets, start: int, side: int) -> Targets:
    cells = slice(start, start + side * side)
    return Targets(
        heat=targets.heat[cells].reshape(side, side),
        counts=targets.counts[cells].reshape(side, side),
        boxes=targets.boxes[cells].reshape(side, side, 4),
        weights=targets.weights[cells].reshape(side, side),
        labels=targets.labels[cells].reshape(side, side),
    )


def _ignore(grid: _Grid, box_px: Floats) -> None:
    left, top = np.floor(box_px[:2] / grid.stride).astype(int).clip(0)
    right, bottom = np.ceil(box_px[2:] / grid.stride).astype(int)
    grid.targets.counts[top:bottom, left:right] = False


def _draw(grid: _Grid, box_px: Floats, label: int) -> None:
    box = box_px / grid.stride
    centre = np.clip(((box[:2] + box[2:]) / 2).astype(int), 0, grid.side - 1)
    radii = ((box[2:] - box[:2]) / 2 * _SPREAD).astype(int)
    first = np.maximum(centre - radii, 0)
    last = np.minimum(centre + radii, grid.side - 1)
    columns = np.arange(first[0], last[0] + 1)
    rows = np.arange(first[1], last[1] + 1)
    sigmas = (2 * radii + 1) / 6
    gauss = np.exp(
        -((columns[None, :] - centre[0]) ** 2) / (2 * sigmas[0] ** 2)
        - ((rows[:, None] - centre[1]) ** 2) / (2 * sigmas[1] ** 2)
    ).astype(np.float32)
    area = (slice(first[1], last[1] + 1), slice(first[0], last[0] + 1))
    targets = grid.targets
    np.maximum(targets.heat[area], gauss, out=targets.heat[area])
    targets.counts[area] = True
    targets.weights[area] = gauss / gauss.sum()
    targets.labels[area] = label
    x, y = np.meshgrid(columns + 0.5, rows + 0.5)
    targets.boxes[area] = np.stack([x - box[0], y - box[1], box[2] - x, box[3] - y], axis=-1)
