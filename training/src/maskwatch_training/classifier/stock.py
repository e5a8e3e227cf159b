"""The patches of a data folder: faces by label, and cuts without a face; decoded once."""

from __future__ import annotations

import logging
from collections import Counter
from dataclasses import dataclass

import numpy as np

from maskwatch_training.arrays import Floats
from maskwatch_training.classifier import backgrounds, crops
from maskwatch_training.classifier.crops import Patch
from maskwatch_training.classifier.draw import Pool, Random
from maskwatch_training.classifier.recipe import NO_FACE, Recipe
from maskwatch_training.datasets import photos as data
from maskwatch_training.datasets.holdout import NothingToLearn
from maskwatch_training.datasets.photos import Photo
from maskwatch_training.detector.tflite import Model

_log = logging.getLogger(__name__)
_LOG_EVERY_PHOTOS = 250
_WHOLE_SIDE_PX = 32.0  # from this short side on a face is drawn with full weight


@dataclass(frozen=True)
class Found:
    """A patch with its weight in the draws; `is_alarm` if a detector took it for a face."""

    patch: Patch
    weight: float
    is_alarm: bool = False


def gather(photos: list[Photo], recipe: Recipe, detector: Model) -> list[Pool]:
    """Decode photos one by one and keep a pool of patches for each label of the recipe.

    Raises:
        NothingToLearn: A label has no example; names it.
    """
    random = np.random.default_rng(recipe.seed)
    found: list[Found] = []
    left_out: Counter[str] = Counter()
    for number, photo in enumerate(photos, 1):
        found += _faces(photo, recipe, left_out)
        if photo.dataset in recipe.no_face.datasets:
            found += _without_face(photo, recipe, detector, random)
        if number % _LOG_EVERY_PHOTOS == 0:
            _log.info("cut %d of %d photos, %d patches", number, len(photos), len(found))
    pools = [_pool(found, index, name, recipe) for index, name in enumerate(recipe.names)]
    kept = {name: len(pool.patches) for name, pool in zip(recipe.names, pools, strict=True)}
    alarms = sum(one.is_alarm for one in found)
    _log.info("patches: %s (%d false alarms); left out: %s", kept, alarms, dict(left_out))
    return pools


def _faces(photo: Photo, recipe: Recipe, left_out: Counter[str]) -> list[Found]:
    if not len(photo.labels):
        return []
    picture = data.decode(photo)
    found = []
    for box, face_label in zip(photo.boxes_px, photo.labels, strict=True):
        label = recipe.index(int(face_label))
        shorter = float((box[2:] - box[:2]).min())
        if label is None or shorter < recipe.least_side_px:
            left_out["label not in the recipe" if label is None else "too small"] += 1
            continue
        kept = crops.patch(picture, box, label, margin=recipe.margin, size_px=recipe.input.size_px)
        weight = recipe.datasets[photo.dataset] * min(1.0, shorter / _WHOLE_SIDE_PX)
        found.append(Found(kept, weight))
    return found


def _without_face(photo: Photo, recipe: Recipe, detector: Model, random: Random) -> list[Found]:
    picture, plan = data.decode(photo), recipe.no_face
    label = recipe.names.index(NO_FACE)

    def kept(box: Floats, *, is_alarm: bool) -> Found:
        own = crops.patch(picture, box, label, margin=recipe.margin, size_px=recipe.input.size_px)
        return Found(own, recipe.datasets[photo.dataset], is_alarm)

    size = (photo.width, photo.height)
    drawn = [backgrounds.draw(size, photo.boxes_px, random) for _ in range(plan.cuts_a_photo)]
    limits = (plan.alarm_score_min, plan.alarm_score_max)
    wrong = backgrounds.alarms(detector, picture, photo.boxes_px, limits)
    return [kept(box, is_alarm=False) for box in drawn if box is not None] + [
        kept(box, is_alarm=True) for box in wrong
    ]


def _pool(found: list[Found], label: int, name: str, recipe: Recipe) -> Pool:
    own = [one for one in found if one.patch.label == label]
    if not own:
        raise NothingToLearn(f"labels: {name}: no training photo shows it")
    weights = np.array([one.weight for one in own], np.float64)
    is_alarm = np.array([one.is_alarm for one in own])
    if is_alarm.any() and not is_alarm.all():
        share = recipe.no_face.alarm_share
        weights[is_alarm] *= share / weights[is_alarm].sum()
        weights[~is_alarm] *= (1 - share) / weights[~is_alarm].sum()
    cumulated = np.cumsum(weights / weights.sum()).astype(np.float32)
    return Pool([one.patch for one in own], cumulated)
