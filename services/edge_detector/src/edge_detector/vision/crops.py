"""The picture of one face, cut from the frame for a classifier."""

from dataclasses import dataclass

import cv2
import numpy as np

from edge_detector.vision.arrays import Floats, Picture

_FILL = 114  # beyond the frame; what the classifiers were trained with


@dataclass(frozen=True, slots=True)
class Square:
    """A square of the frame, in px; may reach beyond it."""

    left: int
    top: int
    side: int


def square(xyxy_px: Floats, *, margin: float) -> Square:
    """Return the square around a box.

    Args:
        xyxy_px: Corners in px of the frame, shape (4,).
        margin: Added on every side, as a share of the box's longer side.
    """
    longer = float((xyxy_px[2:] - xyxy_px[:2]).max())
    side = max(1, round(longer * (1 + 2 * margin)))
    left, top = (round(float(middle) - side / 2) for middle in (xyxy_px[:2] + xyxy_px[2:]) / 2)
    return Square(left, top, side)


def cut(frame: Picture, where: Square, *, size_px: int) -> Picture:
    """Return the square as a picture (size_px, size_px, C), what lies beyond the frame grey.

    Args:
        frame: Shape (H, W, C); the square has to touch it.
        where: What to cut.
        size_px: Side of the picture.
    """
    height, width = frame.shape[:2]
    right, bottom = where.left + where.side, where.top + where.side
    # Rounding may put the smallest squares just beyond the edge.
    left, top = min(max(0, where.left), width - 1), min(max(0, where.top), height - 1)
    inner = frame[top : min(height, bottom), left : min(width, right)]
    beyond = (
        max(0, -where.top),
        max(0, bottom - height),
        max(0, -where.left),
        max(0, right - width),
    )
    if any(beyond):
        inner = np.asarray(
            cv2.copyMakeBorder(inner, *beyond, cv2.BORDER_CONSTANT, value=(_FILL,) * 3), np.uint8
        )
    # As in the letterbox: the area filter is the wrong one for enlarging.
    way = cv2.INTER_AREA if where.side > size_px else cv2.INTER_LINEAR
    return np.asarray(cv2.resize(inner, (size_px, size_px), interpolation=way), np.uint8)
