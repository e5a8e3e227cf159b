"""Draws training cuts from patches: jitter, turn, flip, light, lens, occlusion."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np

from maskwatch_training import light
from maskwatch_training.arrays import Floats, Image
from maskwatch_training.classifier import crops
from maskwatch_training.classifier.crops import Patch
from maskwatch_training.classifier.recipe import Recipe
from maskwatch_training.views import FILL

Random = np.random.Generator

_SCALE = 0.22  # log; a detector's box is up to a fifth too small or too large
_SHIFT = 0.12  # of the longer side of the box
_STRETCH = 0.08  # log
_TURN_DEGREES = 18.0
_DOOR_SIZE_PX = 200  # near the 240 px for which the door camera's blur is meant
_COARSE_PX = (9.0, 40.0)  # sides that a low-resolution cut had before it was enlarged
_INTERPOLATIONS = (cv2.INTER_LINEAR, cv2.INTER_CUBIC, cv2.INTER_AREA)


@dataclass(frozen=True)
class Pool:
    """Patches of one label with the share of each in the draws (cumulated, last 1)."""

    patches: Sequence[Patch]
    cumulated: Floats

    def draw(self, random: Random) -> Patch:
        """Draw one."""
        index = int(np.searchsorted(self.cumulated, random.random()))
        return self.patches[min(index, len(self.patches) - 1)]


@dataclass(frozen=True)
class Pose:
    """How a patch is laid into a cut: middle and side in its px, turn in degrees, mirror."""

    middle: Floats
    side: float
    stretch: float = 1.0
    turn: float = 0.0
    is_mirrored: bool = False


class Drawer:
    """Draws training cuts of a recipe; `pools` holds one pool a label, in the output's order."""

    def __init__(self, pools: Sequence[Pool], recipe: Recipe) -> None:
        self._pools, self._recipe = pools, recipe
        shares = np.array(list(recipe.labels.values()))
        self._cumulated = np.cumsum(shares / shares.sum())

    def draw(self, random: Random) -> tuple[Image, int]:
        """Draw one cut (S, S, channels) and its label."""
        label = min(int(np.searchsorted(self._cumulated, random.random())), len(self._pools) - 1)
        draws, size_px = self._recipe.draws, self._recipe.input.size_px
        patch = self._pools[label].draw(random)
        if random.random() < draws.tight:
            patch = tighten(patch, random)
        turn = random.normal(0, _TURN_DEGREES / 2) if random.random() < draws.rotation else 0.0
        pose = jitter(patch.box_px, margin=self._recipe.margin, turn=turn, random=random)
        if random.random() < draws.door:
            large = lay(patch.image, pose, _DOOR_SIZE_PX)
            dark = light.darken_like_door_camera(large, random)
            small = cv2.resize(dark, (size_px, size_px), interpolation=cv2.INTER_AREA)
            image = np.asarray(small, np.uint8)
        else:
            image = self._ordinary(lay(patch.image, pose, size_px), random)
        return crops.as_input(image, self._recipe.input.colour), label

    def _ordinary(self, image: Image, random: Random) -> Image:
        draws = self._recipe.draws
        if random.random() < draws.occlusion:
            image = occlude(image, random)
        if random.random() < draws.low_resolution:
            image = coarsen(image, random)
        return light.vary(image, random) if random.random() < draws.light else image


def jitter(box_px: Floats, *, margin: float, turn: float, random: Random) -> Pose:
    """Choose a cut as a detector's inexact box would give it."""
    longer = float((box_px[2:] - box_px[:2]).max())
    shift = random.uniform(-_SHIFT, _SHIFT, 2) * longer
    return Pose(
        middle=((box_px[:2] + box_px[2:]) / 2 + shift).astype(np.float32),
        side=crops.side(box_px, margin) * float(np.exp(random.uniform(-_SCALE, _SCALE))),
        stretch=float(np.exp(random.uniform(-_STRETCH, _STRETCH))),
        turn=turn,
        is_mirrored=bool(random.random() < 0.5),
    )


def lay(image: Image, pose: Pose, size_px: int) -> Image:
    """Lay a picture into a square of `size_px`; what lies beyond it is grey."""
    middle, scale = pose.middle, size_px / pose.side
    if scale < 0.75:
        # warpAffine has no area filter: shrink first, then only turn and shift.
        wide, high = (max(1, round(image.shape[axis] * scale)) for axis in (1, 0))
        factors = np.array([wide / image.shape[1], high / image.shape[0]], np.float32)
        image = np.asarray(cv2.resize(image, (wide, high), interpolation=cv2.INTER_AREA), np.uint8)
        middle, scale = middle * factors, 1.0
    angle = np.deg2rad(pose.turn)
    turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    sign = -1.0 if pose.is_mirrored else 1.0
    linear = turn @ np.diag([sign * scale * pose.stretch, scale / pose.stretch])
    shift = size_px / 2 - 0.5 - linear @ (middle - 0.5)
    matrix = np.concatenate([linear, shift[:, None]], axis=1)
    laid = cv2.warpAffine(
        image, matrix, (size_px, size_px), flags=cv2.INTER_LINEAR, borderValue=(FILL,) * 3
    )
    return np.asarray(laid, np.uint8)


def tighten(patch: Patch, random: Random) -> Patch:
    """Cut a patch down to its box and at most a seventh more, as a photo of just a face is."""
    low, high = patch.box_px[:2], patch.box_px[2:]
    wide_high = high - low
    first = np.floor(low - wide_high * random.uniform(-0.03, 0.14, 2)).astype(int)
    last = np.ceil(high + wide_high * random.uniform(-0.03, 0.14, 2)).astype(int)
    height, width = patch.image.shape[:2]
    left, top = (int(v) for v in first.clip(0, [width - 2, height - 2]))
    right, bottom = (int(v) for v in last.clip([left + 2, top + 2], [width, height]))
    box = patch.box_px - np.array([left, top, left, top], np.float32)
    return Patch(patch.image[top:bottom, left:right], box.astype(np.float32), patch.label)


def occlude(image: Image, random: Random) -> Image:
    """Cover part of the border region with a plain or noisy ellipse; nose and mouth stay free."""
    size = image.shape[0]
    angle = random.uniform(0, 2 * np.pi)
    reach = random.uniform(0.36, 0.5) * size
    middle = (int(size / 2 + reach * np.cos(angle)), int(size / 2 + reach * np.sin(angle)))
    axes = tuple(int(v) for v in random.uniform(0.06, 0.2, 2) * size)
    covered = image.copy()
    shape = np.zeros((size, size), np.uint8)
    cv2.ellipse(shape, middle, axes, float(random.uniform(0, 180)), 0, 360, (255,), -1)
    colour = random.integers(0, 256, 3)
    noise = random.normal(0, random.uniform(0, 30), (size, size, 1))
    covered[shape > 0] = (colour + noise).clip(0, 255).astype(np.uint8)[shape > 0]
    return covered


def coarsen(image: Image, random: Random) -> Image:
    """Shrink to 9-40 px and enlarge again: a face far away."""
    size = image.shape[0]
    small = max(4, min(size, round(float(np.exp(random.uniform(*np.log(_COARSE_PX)))))))
    how = _INTERPOLATIONS[int(random.integers(len(_INTERPOLATIONS)))]
    shrunk = cv2.resize(image, (small, small), interpolation=cv2.INTER_AREA)
    return np.asarray(cv2.resize(shrunk, (size, size), interpolation=how), np.uint8)
