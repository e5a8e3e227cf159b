"""Which picture of a person is the evidence: large, sharp, surely a face, not cut by the edge."""

from collections.abc import Mapping
from dataclasses import dataclass, field

import cv2
import numpy as np
from maskwatch_proto.alert import Label

from edge_detector.evidence import Evidence
from edge_detector.vision.arrays import Floats, Picture

# From this side on, px, a larger face shows nobody better.
_SIDE_PX_ENOUGH = 120.0
# Variance of the Laplacian at which a face of _SIDE_PX is half as good as a perfectly sharp one.
_SHARPNESS_HALF = 100.0
_SIDE_PX = 64
# A better picture has to be better by so much: each one costs an encoding.
_GAIN_MIN = 1.1
# An older picture gives way to any newer one: the evidence shows what the votes are about.
_STALE_S = 10.0
_CUT = 0.25


@dataclass(frozen=True, slots=True)
class Candidate:
    """A picture ready to be sent; `quality` is in [0, 1]."""

    quality: float
    taken_s: float
    evidence: Evidence


@dataclass(frozen=True, slots=True)
class Kept:
    """At most one picture for each label that may be an alert."""

    by_label: Mapping[Label, Candidate] = field(default_factory=dict)


def quality(frame_bgr: Picture, face_px: Floats, *, score: float) -> float:
    """Return how well a frame shows a face, in [0, 1].

    Args:
        frame_bgr: Shape (H, W, 3).
        face_px: xyxy within the frame, shape (4,).
        score: That it is a face, in [0, 1].

    Source of the measure of sharpness: Pech-Pacheco et al., Diatom autofocusing, ICPR 2000.
    """
    height, width = frame_bgr.shape[:2]
    left, top, right, bottom = (float(value) for value in face_px)
    size = min(1.0, min(right - left, bottom - top) / _SIDE_PX_ENOUGH)
    sharp = sharpness(frame_bgr, face_px)
    margin_px = max(2.0, 0.005 * width)
    is_cut = min(left, top) < margin_px or right > width - margin_px or bottom > height - margin_px
    whole = _CUT if is_cut else 1.0
    return float(score * np.sqrt(size) * sharp / (sharp + _SHARPNESS_HALF) * whole)


def sharpness(frame_bgr: Picture, face_px: Floats) -> float:
    """Return the variance of the Laplacian of a face, brought to one size; 0 for an empty box."""
    height, width = frame_bgr.shape[:2]
    x1, x2 = (min(max(round(float(x)), 0), width) for x in face_px[::2])
    y1, y2 = (min(max(round(float(y)), 0), height) for y in face_px[1::2])
    if x1 >= x2 or y1 >= y2:
        return 0.0
    # Enlarging a small face with this filter adds no edges that were not there.
    face = cv2.resize(frame_bgr[y1:y2, x1:x2], (_SIDE_PX, _SIDE_PX), interpolation=cv2.INTER_AREA)
    grey = cv2.cvtColor(face, cv2.COLOR_BGR2GRAY)
    return float(cv2.Laplacian(grey, cv2.CV_32F).var())


def is_better(kept: Kept, label: Label, value: float, *, at_s: float) -> bool:
    """Return whether a picture of a quality and moment is worth taking in place of the kept one."""
    before = kept.by_label.get(label)
    if before is None or at_s - before.taken_s > _STALE_S:
        return True
    return value > before.quality * _GAIN_MIN


def taken(kept: Kept, label: Label, candidate: Candidate) -> Kept:
    """Return what is kept when the candidate takes the place of its label's."""
    return Kept({**kept.by_label, label: candidate})
