"""Measures an exported model on the validation photos, the door proxy and faceless photos."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from maskwatch_training import views
from maskwatch_training.arrays import Image, Integers
from maskwatch_training.datasets.photos import Photo
from maskwatch_training.datasets.photos import decode as decode_photo
from maskwatch_training.detector import decode, precision
from maskwatch_training.detector.augment import door_cut
from maskwatch_training.detector.decode import Faces, Limits
from maskwatch_training.detector.precision import Case, Matches
from maskwatch_training.detector.tflite import Model
from maskwatch_training.labels import LABELS
from maskwatch_training.views import View

SIDES_PX = (0, 24, 48)  # least short sides of the faces counted, long side of the photo 640
_ALARM_SCORES = (0.25, 0.3, 0.35, 0.4, 0.45, 0.5, 0.6)
_DOOR_SCORES = (0.25, 0.3, 0.35, 0.4, 0.5)
_DOOR_SHARES = (0.40, 0.80)  # of the width that the face fills
_DOOR_CUTS = 2  # of every face large enough to be enlarged
_DOOR_LEAST_FACE_PX = 36.0
_EVERYTHING = Limits(score_min=0.02)


@dataclass(frozen=True)
class Judged:
    """A picture with its truth and what the model found in it, both in px of the picture."""

    name: str
    shown: View
    found: Faces


def find(model: Model, picture: Image, limits: Limits) -> Faces:
    """Find the faces of a picture (H, W, 3) RGB; boxes in its px."""
    boxed = views.letterbox(_unlabelled(picture), model.size_px)
    faces = decode.faces(model.judge(boxed.image), limits, size_px=model.size_px)
    height, width = picture.shape[:2]
    boxes = faces.boxes_px * (max(height, width) / model.size_px)
    limit = np.array([width, height, width, height], np.float32)
    return Faces(boxes.clip(0, limit).astype(np.float32), faces.scores, faces.classes)


def _unlabelled(picture: Image) -> View:
    return views.whole(picture, np.zeros((0, 4), np.float32), np.zeros(0, np.int64))


def judge(model: Model, pictures: Iterator[tuple[str, View]]) -> list[Judged]:
    """Run the model over named pictures."""
    return [Judged(name, shown, find(model, shown.image, _EVERYTHING)) for name, shown in pictures]


def photos(selected: Sequence[Photo]) -> Iterator[tuple[str, View]]:
    """Decode photos one by one."""
    for photo in selected:
        yield photo.file, views.whole(decode_photo(photo), photo.boxes_px, photo.labels)


def door_proxy(selected: Sequence[Photo], *, seed: int) -> Iterator[tuple[str, View]]:
    """Cut single faces as a door camera would show them: large, dark, blurred; seeded."""
    random = np.random.default_rng(seed)
    for name, photo in photos(selected):
        sides = np.sqrt((photo.boxes_px[:, 2:] - photo.boxes_px[:, :2]).prod(axis=1))
        for index in np.flatnonzero(sides >= _DOOR_LEAST_FACE_PX):
            for turn in range(_DOOR_CUTS):
                share = float(random.uniform(*_DOOR_SHARES))
                cut = door_cut(photo, int(index), share, random)
                yield f"{name}#{index}.{turn}", only_chosen(cut)


def only_chosen(cut: View) -> View:
    """Keep the largest face of a door cut; the others count neither way."""
    if len(cut.labels) < 2:
        return cut
    sizes = (cut.boxes_px[:, 2:] - cut.boxes_px[:, :2]).prod(axis=1)
    best = int(np.argmax(sizes))
    rest = np.arange(len(sizes)) != best
    return View(
        cut.image,
        cut.boxes_px[best : best + 1],
        cut.labels[best : best + 1],
        np.concatenate([cut.ignored_px, cut.boxes_px[rest]]),
    )


def cases(judged: Sequence[Judged]) -> list[Case]:
    """Prepare judged pictures for matching."""
    return [
        Case(
            long_side_px=float(max(one.shown.image.shape[:2])),
            truth_px=one.shown.boxes_px,
            truth_labels=one.shown.labels,
            found_px=one.found.boxes_px,
            scores=one.found.scores,
            labels=one.found.labels,
        )
        for one in judged
    ]


def face_figures(judged: Sequence[Judged], *, score_min: float) -> dict[str, Any]:
    """AP50, AP at IoU .4, recall, precision and mask accuracy by least face size."""
    figures: dict[str, Any] = {}
    prepared = cases(judged)
    for side in SIDES_PX:
        matches = precision.match(prepared, iou_min=0.5, side_min_px=side)
        loose = precision.match(prepared, iou_min=0.4, side_min_px=side)
        figures[f"at_least_{side}_px"] = {
            "faces": matches.faces,
            "ap50": _rounded(precision.average_precision(matches)),
            "ap40": _rounded(precision.average_precision(loose)),
            **at_score(matches, score_min),
        }
    return figures


def at_score(matches: Matches, score_min: float) -> dict[str, Any]:
    """Recall, precision and how the classes of the matched faces were judged."""
    shown = matches.scores >= score_min
    right = shown & matches.is_right
    truth, found = matches.true_labels[right], matches.found_labels[right]
    two = truth != LABELS.index("bad_mask")
    return {
        "score_threshold": score_min,
        "recall": _share(int(right.sum()), matches.faces),
        "precision": _share(int(right.sum()), int(shown.sum())),
        "mask_accuracy": _share(int((truth == found)[two].sum()), int(two.sum())),
        "confusion": _confusion(truth, found),
    }


def _confusion(truth: Integers, found: Integers) -> dict[str, int]:
    return {
        f"{LABELS[t]}->{LABELS[f]}": int(((truth == t) & (found == f)).sum())
        for t in range(len(LABELS))
        for f in range(len(LABELS))
    }


def door_figures(judged: Sequence[Judged], *, score_min: float) -> dict[str, Any]:
    """AP50, recall by score and the classes of the faces of the door proxy."""
    matches = precision.match(cases(judged), iou_min=0.5, side_min_px=0)
    return {
        "faces": matches.faces,
        "ap50": _rounded(precision.average_precision(matches)),
        "recall_by_score": {
            f"{score:.2f}": at_score(matches, score)["recall"] for score in _DOOR_SCORES
        },
        **at_score(matches, score_min),
    }


def alarm_figures(judged: Sequence[Judged]) -> dict[str, Any]:
    """How many photos without a face raise an alarm, by score."""
    highest = np.array([one.found.scores.max(initial=0) for one in judged])
    return {
        "photos": len(judged),
        "with_alarm_by_score": {
            f"{score:.2f}": int((highest >= score).sum()) for score in _ALARM_SCORES
        },
    }


def predictions(judged: Sequence[Judged]) -> Iterator[dict[str, Any]]:
    """Give the finds in the project's prediction format, one mapping a picture."""
    for one in judged:
        found = one.found
        yield {
            "file": one.name,
            "boxes": [
                {
                    "xyxy": [round(float(v), 2) for v in box],
                    "score": round(float(score), 5),
                    "label": LABELS[int(label)],
                }
                for box, score, label in zip(
                    found.boxes_px, found.scores, found.labels, strict=True
                )
            ],
        }


def _share(part: int, whole: int) -> float | None:
    return _rounded(part / whole) if whole else None


def _rounded(value: float) -> float:
    return round(value, 4)
