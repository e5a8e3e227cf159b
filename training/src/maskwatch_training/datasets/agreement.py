"""Whether two descriptions of the same picture say the same."""

from __future__ import annotations

from maskwatch_training.datasets.labelled import XYXY, Box, Entry

_IOU_MIN = 0.5


def conflict(one: Entry, other: Entry) -> str | None:
    """Say how two near-duplicates' labels contradict each other; nothing where they agree.

    Boxes are compared as shares of width and height, since the copies may differ in size. Two boxes
    with an intersection over union of at least 0.5 are the same face.
    """
    if len(one.boxes) != len(other.boxes):
        return f"{len(one.boxes)} and {len(other.boxes)} faces"
    free = list(other.boxes)
    for box in one.boxes:
        best = max(free, key=lambda candidate: _iou(_shares(box, one), _shares(candidate, other)))
        if _iou(_shares(box, one), _shares(best, other)) < _IOU_MIN:
            return "faces at different places"
        if box.label != best.label:
            return f"{box.label} and {best.label}"
        free.remove(best)
    return None


def _shares(box: Box, entry: Entry) -> XYXY:
    left, top, right, bottom = box.xyxy
    return left / entry.width, top / entry.height, right / entry.width, bottom / entry.height


def _iou(one: XYXY, other: XYXY) -> float:
    width = min(one[2], other[2]) - max(one[0], other[0])
    height = min(one[3], other[3]) - max(one[1], other[1])
    if width <= 0 or height <= 0:
        return 0.0
    areas = sum((box[2] - box[0]) * (box[3] - box[1]) for box in (one, other))
    return width * height / (areas - width * height)
