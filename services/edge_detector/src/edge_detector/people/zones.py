"""Where in the picture a mask is required: polygons that include and exclude.

A face counts by the middle of its lower edge, the chin: of all that a face detector gives it lies
nearest to where the person stands, and it hardly moves when a box grows over the hair. Zones are
therefore drawn at the height of heads, not on the floor.
"""

from dataclasses import dataclass

import numpy as np

from edge_detector.vision.arrays import Flags, Floats

Polygon = tuple[tuple[float, float], ...]


@dataclass(frozen=True, slots=True)
class Zones:
    """Polygons in shares of the frame's width and height: a camera's resolution may change.

    Attributes:
        include: A mask is required within any of them; without one, everywhere.
        exclude: Not within any of these, whatever includes it.
    """

    include: tuple[Polygon, ...] = ()
    exclude: tuple[Polygon, ...] = ()


def required(faces_px: Floats, zones: Zones, *, size_wh: tuple[int, int]) -> Flags:
    """Return of which faces a mask is required, shape (N,).

    Args:
        faces_px: xyxy in px of the frame, shape (N, 4).
        zones: Where it is required.
        size_wh: Of the frame, px.
    """
    chins = np.stack([(faces_px[:, 0] + faces_px[:, 2]) / 2, faces_px[:, 3]], axis=1)
    chins = chins / np.array(size_wh, np.float32)
    # A face cut by the lower edge has its chin on the edge, which belongs to the picture.
    chins = chins.clip(1e-4, 1 - 1e-4)
    inside = np.full(len(chins), not zones.include)
    for polygon in zones.include:
        inside |= contains(polygon, chins)
    for polygon in zones.exclude:
        inside &= ~contains(polygon, chins)
    return inside


def contains(polygon: Polygon, points: Floats) -> Flags:
    """Return which points (N, 2) lie within a polygon, by the even-odd rule.

    Source: Shimrat, Algorithm 112: position of point relative to polygon, CACM 1962.
    """
    inside = np.zeros(len(points), np.bool_)
    x, y = points[:, 0], points[:, 1]
    for (x1, y1), (x2, y2) in zip(polygon, (*polygon[1:], polygon[0]), strict=True):
        if y1 == y2:
            continue
        crosses = (y1 > y) != (y2 > y)
        inside ^= crosses & (x < x1 + (y - y1) * (x2 - x1) / (y2 - y1))
    return inside
