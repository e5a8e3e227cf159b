"""Draws training images: ordinary views, mosaics, door-camera cuts, tight crops, backgrounds."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np

from maskwatch_training import light, views
from maskwatch_training.arrays import Floats, Image
from maskwatch_training.detector.recipe import Draws
from maskwatch_training.views import View, Window

Random = np.random.Generator

_FACE_SIDE_PX = (12.0, 300.0)  # of the chosen face in the input, log-uniform
_GREATEST_ENLARGEMENT = 8.0
_INTERPOLATIONS = (cv2.INTER_AREA, cv2.INTER_AREA, cv2.INTER_LINEAR)


@dataclass(frozen=True)
class Stock:
    """The photos to draw from: all with their shares (sum 1), with a face, for backgrounds."""

    photos: Sequence[View]
    shares: Floats
    faced: Sequence[View]
    backgrounds: Sequence[View]


class Drawer:
    """Draws square training images of `size_px` from a stock of photos."""

    def __init__(self, stock: Stock, draws: Draws, size_px: int) -> None:
        self._stock, self._draws, self._size_px = stock, draws, size_px
        self._cumulated = np.cumsum(stock.shares)

    def draw(self, random: Random, *, progress: float) -> View:
        """Draw one training image; `progress` in [0, 1] is how far the run has come."""
        draws = self._draws
        kind = random.random() - draws.background
        if kind < 0:
            return _finish(self._background(random), random)
        kind -= draws.door
        if kind < 0:
            return self._door(random)
        kind -= draws.tight_crop
        if kind < 0:
            return _finish(self._tight_crop(random), random)
        mosaic = draws.mosaic if progress < 0.8 else draws.mosaic_last_fifth
        if random.random() < mosaic:
            return _finish(self._mosaic(random), random)
        return _finish(self._ordinary(random, (self._size_px, self._size_px)), random)

    def _any(self, random: Random) -> View:
        index = int(np.searchsorted(self._cumulated, random.random() * self._cumulated[-1]))
        return self._stock.photos[min(index, len(self._stock.photos) - 1)]

    def _ordinary(self, random: Random, size_px: tuple[int, int]) -> View:
        photo = self._any(random)
        chosen = len(photo.labels) > 0 and random.random() < self._draws.chosen_face
        fit = min(size_px) / max(photo.image.shape[:2])
        if chosen:
            index = int(random.integers(len(photo.labels)))
            window = face_window(photo.boxes_px[index], size_px, random, least_scale=fit * 0.45)
        elif random.random() < 0.25:
            side = 1 / fit
            window = Window(0, 0, size_px[0] * side, size_px[1] * side)
        else:
            window = _jittered(photo, fit, size_px, random)
        return views.look(photo, window, size_px, interpolation=_any_interpolation(random))

    def _mosaic(self, random: Random) -> View:
        size = self._size_px
        split_x, split_y = (int(v) for v in random.integers(size * 3 // 10, size * 7 // 10, 2))
        canvas = np.empty((size, size, 3), np.uint8)
        boxes, labels, ignored = [], [], []
        for left, right in ((0, split_x), (split_x, size)):
            for top, bottom in ((0, split_y), (split_y, size)):
                tile = self._ordinary(random, (right - left, bottom - top))
                canvas[top:bottom, left:right] = tile.image
                shift = np.array([left, top, left, top], np.float32)
                boxes.append(tile.boxes_px + shift)
                labels.append(tile.labels)
                ignored.append(tile.ignored_px + shift)
        return View(canvas, np.concatenate(boxes), np.concatenate(labels), np.concatenate(ignored))

    def _door(self, random: Random) -> View:
        photo = self._stock.faced[int(random.integers(len(self._stock.faced)))]
        index = int(random.integers(len(photo.labels)))
        cut = door_cut(photo, index, float(random.uniform(0.35, 0.9)), random)
        view = views.look(
            cut, Window(0, 0, 240, 240), (self._size_px,) * 2, interpolation=cv2.INTER_LINEAR
        )
        return views.flip(view) if random.random() < 0.5 else view

    def _tight_crop(self, random: Random) -> View:
        photo = self._stock.faced[int(random.integers(len(self._stock.faced)))]
        box = photo.boxes_px[int(random.integers(len(photo.labels)))]
        wide, high = box[2:] - box[:2]
        pads = random.uniform(0.0, 0.5, 4)
        window = Window(
            float(box[0] - wide * pads[0]),
            float(box[1] - high * pads[1]),
            float(wide * (1 + pads[0] + pads[2])),
            float(high * (1 + pads[1] + pads[3])),
        )
        return views.letterbox(views.crop(photo, window), self._size_px)

    def _background(self, random: Random) -> View:
        size = (self._size_px, self._size_px)
        if random.random() < 0.12:
            return views.whole(
                _pattern(self._size_px, random), np.zeros((0, 4), np.float32), np.zeros(0, np.int64)
            )
        photo = self._stock.backgrounds[int(random.integers(len(self._stock.backgrounds)))]
        window = _faceless_window(photo, random)
        return views.look(photo, window, size, interpolation=_any_interpolation(random))


def face_window(
    box_px: Floats, size_px: tuple[int, int], random: Random, *, least_scale: float
) -> Window:
    """Choose a window that shows a face with a side log-uniform in 12-300 px.

    A photo is never shrunk below `least_scale`, lest the view be nothing but fill.
    """
    wide, high = (float(v) for v in box_px[2:] - box_px[:2])
    side = float(np.exp(random.uniform(*np.log(_FACE_SIDE_PX))))
    scale = max(min(side / np.sqrt(wide * high), _GREATEST_ENLARGEMENT), least_scale)
    stretch = float(np.exp(random.uniform(-0.1, 0.1)))
    out_wide, out_high = size_px[0] / (scale * stretch), size_px[1] / (scale / stretch)
    # A face larger than the canvas hangs over by at most a sixth on each side.
    slack_x = max(out_wide - wide, -wide / 6)
    slack_y = max(out_high - high, -high / 6)
    left = float(box_px[0]) - random.uniform(0, 1) * slack_x
    top = float(box_px[1]) - random.uniform(0, 1) * slack_y
    return Window(left, top, out_wide, out_high)


def door_cut(photo: View, index: int, share: float, random: Random) -> View:
    """Cut 240x240 px so that face `index` fills `share` of the width, dark and blurred."""
    box = photo.boxes_px[index]
    wide, high = (float(v) for v in box[2:] - box[:2])
    side = max(wide / share, high * 1.02)
    left = float(box[0]) - random.uniform(0.2, 0.8) * (side - wide)
    top = float(box[1]) - random.uniform(0.2, 0.8) * (side - high)
    window = Window(left, top, side, side)
    view = views.look(photo, window, (240, 240), interpolation=_any_interpolation(random))
    image = light.darken_like_door_camera(view.image, random)
    return View(image, view.boxes_px, view.labels, view.ignored_px)


def _any_interpolation(random: Random) -> int:
    return _INTERPOLATIONS[int(random.integers(len(_INTERPOLATIONS)))]


def _finish(view: View, random: Random) -> View:
    if random.random() < 0.5:
        view = views.flip(view)
    return View(light.vary(view.image, random), view.boxes_px, view.labels, view.ignored_px)


def _jittered(photo: View, fit: float, size_px: tuple[int, int], random: Random) -> Window:
    scale = fit * float(np.exp(random.uniform(np.log(0.5), np.log(2.0))))
    stretch = float(np.exp(random.uniform(-0.1, 0.1)))
    wide, high = size_px[0] / (scale * stretch), size_px[1] / (scale / stretch)
    height, width = photo.image.shape[:2]
    if len(photo.labels):
        box = photo.boxes_px[int(random.integers(len(photo.labels)))]
        centre = (box[:2] + box[2:]) / 2
        left = float(centre[0]) - random.uniform(0.1, 0.9) * wide
        top = float(centre[1]) - random.uniform(0.1, 0.9) * high
    else:
        left = random.uniform(0, 1) * (width - wide)
        top = random.uniform(0, 1) * (height - high)
    if wide < width:
        left = min(max(left, 0.0), width - wide)
    if high < height:
        top = min(max(top, 0.0), height - high)
    return Window(left, top, wide, high)


def _faceless_window(photo: View, random: Random) -> Window:
    height, width = photo.image.shape[:2]
    for _ in range(12):
        side = float(random.uniform(0.12, 0.9)) * min(height, width)
        left, top = random.uniform(0, width - side), random.uniform(0, height - side)
        boxes = photo.boxes_px
        apart = (
            (boxes[:, 0] > left + side)
            | (boxes[:, 2] < left)
            | (boxes[:, 1] > top + side)
            | (boxes[:, 3] < top)
        )
        if apart.all():
            return Window(left, top, side, side)
    side = float(max(height, width))  # crowded: show the whole photo, with its faces
    return Window(0, 0, side, side)


def _pattern(size_px: int, random: Random) -> Image:
    grain = int(random.integers(2, 24))
    coarse = random.integers(0, 256, (grain, grain, 3)).astype(np.uint8)
    image = cv2.resize(coarse, (size_px, size_px), interpolation=cv2.INTER_CUBIC)
    for _ in range(int(random.integers(0, 12))):
        colour = [int(c) for c in random.integers(0, 256, 3)]
        centre = [int(c) for c in random.integers(0, size_px, 2)]
        axes = [int(a) for a in random.integers(4, size_px // 3, 2)]
        angle = float(random.uniform(0, 180))
        cv2.ellipse(image, centre, axes, angle, 0, 360, colour, -1, cv2.LINE_AA)
    return np.asarray(image, np.uint8)
