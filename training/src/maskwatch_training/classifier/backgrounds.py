"""Boxes that hold no face: drawn at random, beside and inside faces, and a detector's mistakes."""

from __future__ import annotations

import numpy as np

from maskwatch_training.arrays import Floats, Image
from maskwatch_training.detector import evaluate
from maskwatch_training.detector.decode import Limits
from maskwatch_training.detector.precision import iou
from maskwatch_training.detector.tflite import Model

Random = np.random.Generator

IOU_MAX = 0.2  # a box that overlaps a face less shows none
_MOST_INSIDE = 0.35  # share of a face that a random box may hold
_LEAST_SIDE_PX = 8.0
_TRIES = 12
_BESIDE_SHARE, _PART_SHARE = 0.3, 0.15  # of the boxes of a photo with faces; the rest is random


def draw(size_px: tuple[int, int], faces_px: Floats, random: Random) -> Floats | None:
    """Draw a box without a face in a photo of (width, height); None when a crowd leaves none.

    Three kinds: anywhere; beside a face (hair, neck, hands, a neighbour's shoulder); a part of a
    face too small to be it.
    """
    for _ in range(_TRIES):
        kind = random.random() if len(faces_px) else 1.0
        if kind < _BESIDE_SHARE:
            box = _beside(faces_px[int(random.integers(len(faces_px)))], random)
        elif kind < _BESIDE_SHARE + _PART_SHARE:
            return _part(faces_px[int(random.integers(len(faces_px)))], random)
        else:
            box = _anywhere(size_px, random)
        if _is_inside(box, size_px) and _is_faceless(box, faces_px):
            return box
    return None


def alarms(model: Model, picture: Image, faces_px: Floats, limits: tuple[float, float]) -> Floats:
    """Find the boxes that a detector takes for a face and no annotation does, (N, 4).

    `limits` are the least and the highest score. Above the highest an unannotated face is likelier
    than a mistake, so it counts on photos with faces only.
    """
    score_max = limits[1] if len(faces_px) else 1.0
    found = evaluate.find(model, picture, Limits(score_min=limits[0]))
    overlap = iou(found.boxes_px, faces_px).max(axis=1, initial=0.0)
    sides = (found.boxes_px[:, 2:] - found.boxes_px[:, :2]).min(axis=1, initial=np.inf)
    wrong = (overlap < IOU_MAX) & (found.scores <= score_max) & (sides >= _LEAST_SIDE_PX)
    return np.asarray(found.boxes_px[wrong], np.float32)


def _anywhere(size_px: tuple[int, int], random: Random) -> Floats:
    width, height = size_px
    longest = 0.6 * min(size_px)
    high = float(np.exp(random.uniform(np.log(10.0), np.log(max(longest, 11.0)))))
    wide = high * float(random.uniform(0.65, 1.1))
    left, top = random.uniform(0, max(width - wide, 1)), random.uniform(0, max(height - high, 1))
    return np.array([left, top, left + wide, top + high], np.float32)


def _beside(face_px: Floats, random: Random) -> Floats:
    sides = face_px[2:] - face_px[:2]
    own = sides * float(np.exp(random.uniform(-0.7, 0.5)))
    angle = random.uniform(0, 2 * np.pi)
    way = np.array([np.cos(angle), np.sin(angle)]) * (sides + own) / 2 * random.uniform(0.75, 1.4)
    middle = (face_px[:2] + face_px[2:]) / 2 + way
    return np.concatenate([middle - own / 2, middle + own / 2]).astype(np.float32)


def _part(face_px: Floats, random: Random) -> Floats:
    sides = face_px[2:] - face_px[:2]
    own = sides * float(random.uniform(0.22, 0.4))  # an area of at most .16 of the face
    corner = face_px[:2] + (sides - own) * random.uniform(0, 1, 2)
    return np.concatenate([corner, corner + own]).astype(np.float32)


def _is_inside(box_px: Floats, size_px: tuple[int, int]) -> bool:
    limit = np.array(size_px, np.float32)
    shown = np.minimum(box_px[2:], limit) - np.maximum(box_px[:2], 0)
    whole = box_px[2:] - box_px[:2]
    return bool((whole >= _LEAST_SIDE_PX).all() and (shown >= 0.6 * whole).all())


def _is_faceless(box_px: Floats, faces_px: Floats) -> bool:
    if not len(faces_px):
        return True
    low = np.maximum(faces_px[:, :2], box_px[:2])
    inner = (np.minimum(faces_px[:, 2:], box_px[2:]) - low).clip(0).prod(axis=1)
    areas = (faces_px[:, 2:] - faces_px[:, :2]).prod(axis=1)
    overlap = iou(box_px[None], faces_px)[0]
    return bool((overlap < IOU_MAX).all() and (inner <= _MOST_INSIDE * areas).all())
