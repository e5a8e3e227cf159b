"""Views of photos: a window of a photo laid on a canvas, with its faces."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from maskwatch_training.arrays import Floats, Image, Integers

FILL = 114  # grey outside the photo, as in the letterbox of the detector
_LEAST_SIDE_PX = 4.0  # a smaller face is neither demanded nor punished
_LEAST_VISIBLE = 0.5  # share of a face inside the view


@dataclass(frozen=True)
class View:
    """A picture with its faces.

    `image` (H, W, 3) RGB; `boxes_px` (F, 4) xyxy and `labels` (F,) of the faces; `ignored_px`
    (G, 4) where a face is too small or mostly cut off.
    """

    image: Image
    boxes_px: Floats
    labels: Integers
    ignored_px: Floats


@dataclass(frozen=True)
class Window:
    """A rectangle of a photo in its px; may reach beyond the photo."""

    left: float
    top: float
    width: float
    height: float


def whole(image: Image, boxes_px: Floats, labels: Integers) -> View:
    """Wrap a photo as a view without ignored regions."""
    return View(image, boxes_px, labels, np.zeros((0, 4), np.float32))


def crop(view: View, window: Window) -> View:
    """Cut a window out; what lies outside the photo is not filled but left away."""
    height, width = view.image.shape[:2]
    left, top = round(max(window.left, 0)), round(max(window.top, 0))
    right = max(left + 2, round(min(window.left + window.width, width)))
    bottom = max(top + 2, round(min(window.top + window.height, height)))
    inside = Window(left, top, right - left, bottom - top)
    return look(view, inside, (right - left, bottom - top), interpolation=cv2.INTER_LINEAR)


def look(view: View, window: Window, size_px: tuple[int, int], *, interpolation: int) -> View:
    """Show a window of a photo on a canvas of `size_px` (width, height); outside is grey."""
    out_width, out_height = size_px
    canvas = np.full((out_height, out_width, 3), FILL, np.uint8)
    height, width = view.image.shape[:2]
    left, top = max(0, int(window.left)), max(0, int(window.top))
    right = min(width, int(np.ceil(window.left + window.width)))
    bottom = min(height, int(np.ceil(window.top + window.height)))
    scale = np.array([out_width / window.width, out_height / window.height], np.float32)
    origin = np.array([window.left, window.top], np.float32)
    if right > left and bottom > top:
        matrix = np.array(
            [
                [scale[0], 0, (left - origin[0]) * scale[0] + (scale[0] - 1) / 2],
                [0, scale[1], (top - origin[1]) * scale[1] + (scale[1] - 1) / 2],
            ],
            np.float32,
        )
        source = view.image[top:bottom, left:right]
        canvas = _draw(source, matrix, (out_width, out_height), interpolation)
    boxes = (view.boxes_px.reshape(-1, 2, 2) - origin) * scale
    ignored = (view.ignored_px.reshape(-1, 2, 2) - origin) * scale
    return _clip(canvas, boxes.reshape(-1, 4), view.labels, ignored.reshape(-1, 4))


def _draw(source: Image, matrix: Floats, size_px: tuple[int, int], interpolation: int) -> Image:
    scale = (float(matrix[0, 0]), float(matrix[1, 1]))
    if min(scale) < 1.0 and interpolation == cv2.INTER_AREA:
        # warpAffine has no area filter: shrink first, then only shift. The shrunk picture keeps
        # its corner, so the half px between centre and corner has to go.
        wide = max(1, round(source.shape[1] * scale[0]))
        high = max(1, round(source.shape[0] * scale[1]))
        source = np.asarray(cv2.resize(source, (wide, high), interpolation=cv2.INTER_AREA))
        shift = matrix[:, 2] - (np.array(scale, np.float32) - 1) / 2
        matrix = np.array([[1, 0, shift[0]], [0, 1, shift[1]]], np.float32)
        interpolation = cv2.INTER_LINEAR
    elif interpolation == cv2.INTER_AREA:
        interpolation = cv2.INTER_LINEAR
    drawn = cv2.warpAffine(
        source, matrix, size_px, flags=interpolation, borderValue=(FILL, FILL, FILL)
    )
    return np.asarray(drawn, np.uint8)


def _clip(image: Image, boxes_px: Floats, labels: Integers, ignored_px: Floats) -> View:
    height, width = image.shape[:2]
    limit = np.array([width, height, width, height], np.float32)
    clipped = boxes_px.clip(0, limit)
    sides = clipped[:, 2:] - clipped[:, :2]
    areas = (boxes_px[:, 2:] - boxes_px[:, :2]).prod(axis=1)
    visible = sides.prod(axis=1) / np.maximum(areas, 1e-6)
    shown = visible > 0
    kept = (visible >= _LEAST_VISIBLE) & (sides.min(axis=1, initial=np.inf) >= _LEAST_SIDE_PX)
    rest = np.concatenate([clipped[shown & ~kept], ignored_px.clip(0, limit)])
    return View(image, clipped[kept], labels[kept], rest.astype(np.float32))


def letterbox(view: View, size_px: int) -> View:
    """Scale a picture to fit a square canvas, at its top left."""
    side = float(max(view.image.shape[:2]))
    window = Window(0, 0, side, side)
    return look(view, window, (size_px, size_px), interpolation=cv2.INTER_AREA)


def flip(view: View) -> View:
    """Mirror left and right."""
    width = view.image.shape[1]

    def mirror(boxes_px: Floats) -> Floats:
        return np.stack(
            [width - boxes_px[:, 2], boxes_px[:, 1], width - boxes_px[:, 0], boxes_px[:, 3]], axis=1
        ).astype(np.float32)

    image = np.ascontiguousarray(view.image[:, ::-1])
    return View(image, mirror(view.boxes_px), view.labels, mirror(view.ignored_px))
