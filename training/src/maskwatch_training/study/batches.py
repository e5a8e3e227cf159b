"""Images for the networks: scaled, varied for training, stacked."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import cv2
import numpy as np
import torch
from torch import Tensor

from maskwatch_training import light, views
from maskwatch_training.arrays import Image, Integers
from maskwatch_training.study.crops import Face

_SHIFT = 0.06  # of the side, standard deviation: detectors do not centre faces exactly
_SCALE = (0.85, 1.15)


@dataclass(frozen=True)
class Part:
    """Faces with their classes: `targets` (N,) index the study's classes."""

    faces: Sequence[Face]
    targets: Integers

    def __len__(self) -> int:
        return len(self.faces)


def plain(face: Face, side_px: int) -> Image:
    """Scale a face, (S, S, 3)."""
    is_smaller = face.image.shape[0] > side_px
    way = cv2.INTER_AREA if is_smaller else cv2.INTER_LINEAR
    return np.asarray(cv2.resize(face.image, (side_px, side_px), interpolation=way), np.uint8)


def varied(face: Face, side_px: int, random: np.random.Generator) -> Image:
    """Scale a face as the camera might have shown it: shifted, mirrored, in other light."""
    side = face.image.shape[0]
    width = side * random.uniform(*_SCALE)
    shift = random.normal(0, _SHIFT, 2) * side
    left, top = (side - width) / 2 + shift
    window = views.Window(float(left), float(top), float(width), float(width))
    none = (np.zeros((0, 4), np.float32), np.zeros(0, np.int64))
    size_px = (side_px, side_px)
    look = views.look(views.whole(face.image, *none), window, size_px, interpolation=cv2.INTER_AREA)
    image = look.image[:, ::-1] if random.random() < 0.5 else look.image
    return light.vary(np.ascontiguousarray(image), random)


def stacked(images: Sequence[Image]) -> Tensor:
    """Stack N images as float32 (N, 3, S, S) in [0, 255]."""
    array = np.stack(images).transpose(0, 3, 1, 2)
    return torch.from_numpy(np.ascontiguousarray(array)).float()


def in_order(part: Part, side_px: int, batch_size: int) -> Iterator[Tensor]:
    """Give all faces of a part, plain, batch by batch."""
    for start in range(0, len(part), batch_size):
        faces = part.faces[start : start + batch_size]
        yield stacked([plain(face, side_px) for face in faces])


def shuffled(
    part: Part, side_px: int, batch_size: int, random: np.random.Generator
) -> Iterator[tuple[Tensor, Tensor]]:
    """Give all faces of a part once, varied, in random order; a last batch of one is left out.

    One image has no variance, so batch norm refuses it.
    """
    order = random.permutation(len(part))
    for start in range(0, len(part), batch_size):
        chosen = order[start : start + batch_size]
        if len(chosen) > 1:
            images = stacked([varied(part.faces[index], side_px, random) for index in chosen])
            yield images, torch.from_numpy(part.targets[chosen])
