"""What of a picture may leave memory: only what these functions return is stored or shown."""

from dataclasses import dataclass
from enum import StrEnum

import cv2
import numpy as np

from edge_detector.vision.arrays import Flags, Floats, Picture
from edge_detector.vision.boxes import iou

# A face blurred to so many cells a side: its person cannot be told, that it is a head can.
_CELLS = 4
# Around a box on each side, as a share of its sides: hair, ears and a box that sits badly.
_MARGIN = 0.3
_SAME_FACE_IOU = 0.4


class Mode(StrEnum):
    """How much of a picture may be kept."""

    EVIDENCE = "evidence"
    BLURRED = "blurred"
    STATS = "stats"


@dataclass(frozen=True, slots=True)
class Plan:
    """What is allowed at one camera.

    Attributes:
        mode: Everything, faces blurred, or no pixel at all.
        blurs_violators: In the mode `blurred`, those without a mask are blurred too.
    """

    mode: Mode = Mode.EVIDENCE
    blurs_violators: bool = False


@dataclass(frozen=True, slots=True)
class Present:
    """Every place of a frame where a face is or may be.

    Attributes:
        boxes_px: xyxy, shape (N, 4): also faces found with a low score, and where somebody who is
            followed was last seen.
        violators_px: The faces whose mask is known to be missing, shape (M, 4).
    """

    boxes_px: Floats
    violators_px: Floats


def shown(frame_bgr: Picture, present: Present, plan: Plan) -> Picture | None:
    """Return what may be stored or shown of a frame: itself, a treated copy, or None for nothing.

    Args:
        frame_bgr: Shape (H, W, 3); never written to.
        present: The faces in it; what is missing here is not blurred.
        plan: What is allowed.
    """
    if plan.mode is Mode.STATS:
        return None
    if plan.mode is Mode.EVIDENCE:
        return frame_bgr
    if plan.blurs_violators:
        return blurred(frame_bgr, np.concatenate([present.boxes_px, present.violators_px]))
    return blurred(frame_bgr, present.boxes_px[~_are_violators(present)])


def of_one(present: Present, face_px: Floats) -> Present:
    """Return the same faces with one violator, shape (4,), whose alert the picture goes with.

    Whoever else is in it is hidden, whatever they wear: their own alert has its own picture.
    """
    return Present(present.boxes_px, face_px[None])


def _are_violators(present: Present) -> Flags:
    """Return which boxes are a violator's face, found perhaps a little elsewhere, shape (N,)."""
    flags = np.zeros(len(present.boxes_px), np.bool_)
    for face in present.violators_px:
        flags |= iou(face, present.boxes_px) > _SAME_FACE_IOU
    return flags


def blurred(frame_bgr: Picture, boxes_px: Floats) -> Picture:
    """Return a copy in which faces cannot be recognised, whoever has the other frames too.

    Args:
        frame_bgr: Shape (H, W, 3).
        boxes_px: xyxy, shape (N, 4).
    """
    picture = frame_bgr.copy()
    height, width = frame_bgr.shape[:2]
    for left, top, right, bottom in boxes_px.tolist():
        margin_x, margin_y = _MARGIN * (right - left), _MARGIN * (bottom - top)
        x1, x2 = max(0, int(left - margin_x)), min(width, int(right + margin_x) + 1)
        y1, y2 = max(0, int(top - margin_y)), min(height, int(bottom + margin_y) + 1)
        if x1 >= x2 or y1 >= y2:
            continue
        cells = cv2.resize(picture[y1:y2, x1:x2], (_CELLS, _CELLS), interpolation=cv2.INTER_AREA)
        size = (x2 - x1, y2 - y1)
        picture[y1:y2, x1:x2] = cv2.resize(cells, size, interpolation=cv2.INTER_LINEAR)
    return picture
