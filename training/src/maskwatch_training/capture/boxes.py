"""Boxes that a person drags with a mouse, a finger or the keyboard; pure geometry."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Box = tuple[float, float, float, float]  # xyxy in px of the picture
Point = tuple[float, float]  # x, y in px of the picture
Size = tuple[int, int]  # width, height of the picture, px

LEAST_SIDE_PX = 8.0  # a smaller box is a slip of the hand, not a face

Low = Literal["low"]
High = Literal["high"]


@dataclass(frozen=True)
class Grip:
    """What of a box is held: a side in each direction, or neither of them: the whole box."""

    across: Low | High | None
    down: Low | High | None

    @property
    def is_whole(self) -> bool:
        """The box moves and keeps its size."""
        return self.across is None and self.down is None


WHOLE = Grip(None, None)


def grip(box: Box, at: Point, *, reach_px: float) -> Grip | None:
    """Return what a hand at a point takes hold of: a corner, an edge, the whole box or nothing.

    Args:
        box: The box, with x1 < x2 and y1 < y2.
        at: Where the hand is.
        reach_px: How far from an edge it still holds the edge; at most a third of the side, so
            that the middle of a small box can be held.
    """
    x1, y1, x2, y2 = box
    x, y = at
    if not (x1 - reach_px <= x <= x2 + reach_px and y1 - reach_px <= y <= y2 + reach_px):
        return None
    return Grip(_side(x1, x2, x, reach_px), _side(y1, y2, y, reach_px))


def _side(low: float, high: float, at: float, reach_px: float) -> Low | High | None:
    reach = min(reach_px, (high - low) / 3)
    if at <= low + reach:
        return "low"
    return "high" if at >= high - reach else None


def drag(box: Box, held: Grip, by: Point, size: Size) -> Box:
    """Return the box after the held part moved by (dx, dy) px; it stays inside the picture."""
    x1, y1, x2, y2 = box
    if held.is_whole:
        dx = min(max(by[0], -x1), size[0] - x2)
        dy = min(max(by[1], -y1), size[1] - y2)
        return (x1 + dx, y1 + dy, x2 + dx, y2 + dy)
    x1, x2 = _stretch((x1, x2), held.across, by[0], size[0])
    y1, y2 = _stretch((y1, y2), held.down, by[1], size[1])
    return (x1, y1, x2, y2)


def _stretch(
    span: tuple[float, float], held: Low | High | None, by: float, limit: float
) -> tuple[float, float]:
    low, high = span
    if held == "low":
        return min(max(low + by, 0.0), high - LEAST_SIDE_PX), high
    if held == "high":
        return low, max(min(high + by, limit), low + LEAST_SIDE_PX)
    return span


def grow(box: Box, by: float, size: Size) -> Box:
    """Return the box with each side moved outwards by that share of the longer side."""
    x1, y1, x2, y2 = box
    step = by * max(x2 - x1, y2 - y1)
    grown = (x1 - step, y1 - step, x2 + step, y2 + step)
    return box if by < 0 and not is_usable(grown) else inside(grown, size)


def spanned(one: Point, other: Point, size: Size) -> Box:
    """Return the box between two points, inside the picture."""
    (ax, ay), (bx, by) = one, other
    return inside((min(ax, bx), min(ay, by), max(ax, bx), max(ay, by)), size)


def inside(box: Box, size: Size) -> Box:
    """Return the part of the box that lies in the picture."""
    width, height = size
    x1, y1, x2, y2 = box
    return (
        min(max(x1, 0.0), width),
        min(max(y1, 0.0), height),
        min(max(x2, 0.0), width),
        min(max(y2, 0.0), height),
    )


def is_usable(box: Box) -> bool:
    """Tell whether both sides are long enough for a face; false for NaN."""
    return box[2] - box[0] >= LEAST_SIDE_PX and box[3] - box[1] >= LEAST_SIDE_PX


def overlap(one: Box, other: Box) -> float:
    """Return the intersection over union, in [0, 1]."""
    width = min(one[2], other[2]) - max(one[0], other[0])
    height = min(one[3], other[3]) - max(one[1], other[1])
    inner = max(width, 0.0) * max(height, 0.0)
    union = area(one) + area(other) - inner
    return inner / union if union > 0 else 0.0


def area(box: Box) -> float:
    """Return the area in square px."""
    return max(box[2] - box[0], 0.0) * max(box[3] - box[1], 0.0)
