"""From the model's cells to boxes: pure arithmetic on arrays."""

from dataclasses import dataclass

import numpy as np

from edge_detector.vision.arrays import Floats, Integers


@dataclass(frozen=True, slots=True)
class Grid:
    """The cells that the model speaks of: centres (N, 2), x and y in px of the input; their level's
    stride (N, 1) in px.
    """  # noqa: D205 - one sentence

    centres: Floats
    strides: Floats

    def __len__(self) -> int:
        return len(self.centres)


def grid(size_px: int, strides: tuple[int, ...]) -> Grid:
    """Return the cells of a square input: levels in the order of `strides`, each row by row."""
    centres, sizes = [], []
    for stride in strides:
        middle = (np.arange(size_px // stride, dtype=np.float32) + np.float32(0.5)) * stride
        x, y = np.meshgrid(middle, middle)
        centres.append(np.stack([x.ravel(), y.ravel()], axis=1))
        sizes.append(np.full((x.size, 1), stride, np.float32))
    return Grid(np.concatenate(centres), np.concatenate(sizes))


def strongest(scores: Floats, *, score_min: float, most: int) -> Integers:
    """Return which cells to look at, best first.

    Args:
        scores: Shape (N,), in [0, 1]; NaN is never strong.
        score_min: Cells below it are no face.
        most: At most so many; suppression takes time that grows with their square.
    """
    cells = np.flatnonzero(scores >= score_min)
    if len(cells) > most:
        cells = cells[np.argpartition(-scores[cells], most)[:most]]
    return cells[np.argsort(-scores[cells], kind="stable")]


def decode(distances: Floats, cells: Integers, of: Grid) -> Floats:
    """Return the boxes of some cells, xyxy in px of the input, shape (len(cells), 4).

    Args:
        distances: Left, top, right and bottom edge from the centre, in strides; one row per cell.
        cells: Indices into the grid.
        of: The model's grid.
    """
    reach = distances * of.strides[cells]
    centres = of.centres[cells]
    return np.concatenate([centres - reach[:, :2], centres + reach[:, 2:]], axis=1)


def ballot(xyxy: Floats, scores: Floats, kept: Integers, *, iou_min: float) -> Floats:
    """Return the weights with which all boxes have a say in each kept one, shape (K, N).

    A kept box becomes the mean of those that overlap it, itself among them, by squared score;
    each row's sum is 1.

    Args:
        xyxy: Shape (N, 4).
        scores: Of the boxes, in [0, 1], shape (N,).
        kept: Indices of those that suppression has kept, shape (K,).
        iou_min: Boxes with at least this overlap have a say; 1 leaves the kept ones as they are.

    Source: Gidaris and Komodakis, Object detection via a multi-region CNN, ICCV 2015.
    """
    weights = np.zeros((len(kept), len(xyxy)), np.float32)
    # The floor gives a say to boxes of score 0, which somebody may ask for.
    squared = np.square(scores).clip(1e-12)
    for row, index in enumerate(kept):
        agrees = iou(xyxy[index], xyxy) >= iou_min
        agrees[index] = True
        weights[row, agrees] = squared[agrees]
    return np.asarray(weights / weights.sum(axis=1, keepdims=True), np.float32)


def iou(box: Floats, others: Floats) -> Floats:
    """Return the intersection over union of one box (4,) with each of the others (N, 4).

    Boxes are xyxy, continuous. A box that is empty or inside out overlaps nothing.
    """
    low = np.maximum(box[:2], others[:, :2])
    high = np.minimum(box[2:], others[:, 2:])
    inner = _area(np.concatenate([low, high], axis=1))
    union = _area(box[None]) + _area(others) - inner
    return np.divide(inner, union, out=np.zeros_like(inner), where=union > 0)


def suppress(xyxy: Floats, *, iou_max: float) -> Integers:
    """Return which boxes remain when only the best of every overlapping cluster is kept.

    Args:
        xyxy: Shape (N, 4), best first.
        iou_max: Two boxes with a larger intersection over union are one face; in (0, 1).

    Returns:
        Indices in rising order, so best first again; N = 0 gives none.

    Source: Neubeck and Van Gool, Efficient Non-Maximum Suppression, ICPR 2006.
    """
    waiting = np.arange(len(xyxy))
    kept: list[int] = []
    while len(waiting):
        best, waiting = waiting[0], waiting[1:]
        kept.append(int(best))
        waiting = waiting[iou(xyxy[best], xyxy[waiting]) <= iou_max]
    return np.array(kept, dtype=np.intp)


def _area(xyxy: Floats) -> Floats:
    sides = (xyxy[:, 2:] - xyxy[:, :2]).clip(0)
    return np.asarray(sides[:, 0] * sides[:, 1], dtype=np.float32)
