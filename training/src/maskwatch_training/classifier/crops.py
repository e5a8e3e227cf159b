"""Cuts of pictures around a box: the one the model is fed at run time, and patches to draw from."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from maskwatch_training.arrays import Floats, Image
from maskwatch_training.views import FILL

_REACH = 1.7  # of the cut's side that a patch shows, so that jitter stays inside the photo
_MOST_PATCH_SIDES = 2.5  # of the input's side; a larger patch is shrunk


@dataclass(frozen=True)
class Patch:
    """Part of a photo around a box.

    `image` (H, W, 3) RGB; `box_px` (4,) xyxy in its px, which may reach beyond it; `label` is an
    output of the recipe.
    """

    image: Image
    box_px: Floats
    label: int


def side(box_px: Floats, margin: float) -> float:
    """Side of the square cut in px: the longer side of the box and `margin` of it on each side."""
    return float((box_px[2:] - box_px[:2]).max()) * (1 + 2 * margin)


def cut(picture: Image, box_px: Floats, *, margin: float, size_px: int) -> Image:
    """Cut the square around a box as the edge detector does and scale it to the input.

    Args:
        picture: (H, W, 3) RGB.
        box_px: (4,) xyxy in px of the picture.
        margin: Share of the longer side added on each of the four sides.
        size_px: Side of the input.

    Returns:
        (size, size, 3); what lies beyond the picture is grey (114).
    """
    wanted = max(1, round(side(box_px, margin)))
    middle = (box_px[:2] + box_px[2:]) / 2
    left, top = (round(float(v) - wanted / 2) for v in middle)
    square = np.full((wanted, wanted, 3), FILL, np.uint8)
    height, width = picture.shape[:2]
    low_x, low_y = max(left, 0), max(top, 0)
    high_x, high_y = min(left + wanted, width), min(top + wanted, height)
    if high_x > low_x and high_y > low_y:
        square[low_y - top : high_y - top, low_x - left : high_x - left] = picture[
            low_y:high_y, low_x:high_x
        ]
    how = cv2.INTER_AREA if wanted > size_px else cv2.INTER_LINEAR
    return np.asarray(cv2.resize(square, (size_px, size_px), interpolation=how), np.uint8)


def patch(picture: Image, box_px: Floats, label: int, *, margin: float, size_px: int) -> Patch:
    """Keep what cuts around a box can show; large ones are shrunk to 2.5 inputs a side."""
    reach = side(box_px, margin) * _REACH / 2
    middle = (box_px[:2] + box_px[2:]) / 2
    height, width = picture.shape[:2]
    left, top = (max(0, int(v - reach)) for v in middle)
    right = max(left + 2, min(width, int(np.ceil(middle[0] + reach))))
    bottom = max(top + 2, min(height, int(np.ceil(middle[1] + reach))))
    left, top = min(left, width - 2), min(top, height - 2)
    part = picture[top:bottom, left:right]
    shrink = min(1.0, _MOST_PATCH_SIDES * size_px / max(part.shape[:2]))
    box = box_px - np.array([left, top, left, top], np.float32)
    if shrink < 1.0:
        wide, high = (max(2, round(part.shape[axis] * shrink)) for axis in (1, 0))
        factors = np.array([wide / part.shape[1], high / part.shape[0]] * 2, np.float32)
        small = cv2.resize(part, (wide, high), interpolation=cv2.INTER_AREA)
        return Patch(np.asarray(small, np.uint8), (box * factors).astype(np.float32), label)
    return Patch(part.copy(), box.astype(np.float32), label)


def as_input(picture: Image, colour: str) -> Image:
    """Give a cut the channels that the model takes: (S, S, 3) RGB or (S, S, 1) grey."""
    if colour == "RGB":
        return picture
    return np.asarray(cv2.cvtColor(picture, cv2.COLOR_RGB2GRAY), np.uint8)[:, :, None]
