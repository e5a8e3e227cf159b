"""AIZOO's FaceMaskDetection of 2020: faces and mask in one pass, input 260.

Source of anchors, variances and thresholds: AIZOOTech/FaceMaskDetection (MIT).
"""

import time
from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt
from edge_detector.vision import inference
from edge_detector.vision.arrays import Floats, Integers, Picture

from benchmarks.models.subject import Found

_SIDE_PX = 260
_MAPS = (33, 17, 9, 5, 3)
_SIZES = ((0.04, 0.056), (0.08, 0.11), (0.16, 0.22), (0.32, 0.45), (0.64, 0.72))
_RATIOS = (1.0, 0.62, 0.42)  # width / height
_VARIANCES = np.array([0.1, 0.1, 0.2, 0.2], np.float32)
_THRESHOLD = 0.5
_IOU_MAX = 0.4
_SCORE_MIN = 0.02


class Aizoo:
    """The peer, written with care for its speed: only what reaches the threshold is decoded."""

    names = ("AIZOO 260",)
    thresholds = (_THRESHOLD,)

    def __init__(self, file: Path) -> None:
        self._interpreter, _ = inference.load(file)
        self._interpreter.allocate_tensors()
        shape = (1, _SIDE_PX, _SIDE_PX, 3)
        self._input = inference.only_input(self._interpreter, file, shape=shape, dtype="float32")
        ports = {port.shape[-1]: port.index for port in inference.outputs(self._interpreter)}
        self._boxes, self._classes = ports[4], ports[2]
        self._tensor = np.empty(shape, np.float32)
        self._anchors = anchors()

    def find(self, frame_bgr: Picture) -> tuple[Found, ...]:
        return (self._faces(frame_bgr, score_min=_SCORE_MIN),)

    def call(self, frame_bgr: Picture) -> tuple[float, ...]:
        begin_s = time.perf_counter()
        self._faces(frame_bgr, score_min=_THRESHOLD)
        return (time.perf_counter() - begin_s,)

    def _faces(self, frame_bgr: Picture, *, score_min: float) -> Found:
        small = cv2.resize(frame_bgr, (_SIDE_PX, _SIDE_PX))
        rgb = cv2.cvtColor(small, cv2.COLOR_BGR2RGB)
        np.multiply(rgb, np.float32(1 / 255), out=self._tensor[0])
        self._interpreter.set_tensor(self._input.index, self._tensor)
        self._interpreter.invoke()
        classes = self._interpreter.get_tensor(self._classes)[0]
        distances = self._interpreter.get_tensor(self._boxes)[0]
        scores = classes.max(axis=1)
        cells = np.flatnonzero(scores >= score_min)
        height, width = frame_bgr.shape[:2]
        xyxy = decode(distances, self._anchors, cells).clip(0, 1)
        xyxy *= np.array([width, height, width, height], np.float32)
        kept = _suppress(xyxy, scores[cells])
        chosen = cells[kept]
        pair = classes[chosen]
        return Found(
            xyxy[kept],
            scores[chosen],
            pair.argmax(axis=1).astype(np.int64),  # 0 is mask, 1 is no_mask, as with us
            pair.max(axis=1, initial=0.0) / np.maximum(pair.sum(axis=1), 1e-6),
        )


def anchors() -> Floats:
    """Return the 5972 anchors: centre x, centre y, width, height as shares of the picture."""
    levels = []
    for cells, sizes in zip(_MAPS, _SIZES, strict=True):
        sides = [(size, size) for size in sizes]
        sides += [(sizes[0] * ratio**0.5, sizes[0] / ratio**0.5) for ratio in _RATIOS[1:]]
        middle = (np.arange(cells) + 0.5) / cells
        y, x = np.meshgrid(middle, middle, indexing="ij")
        level = np.empty((cells, cells, len(sides), 4), np.float32)
        level[..., 0], level[..., 1] = x[..., None], y[..., None]
        level[..., 2:] = np.array(sides, np.float32)
        levels.append(level.reshape(-1, 4))
    return np.concatenate(levels)


def decode(distances: Floats, of: Floats, cells: Integers) -> Floats:
    """Return the boxes of some anchors, xyxy as shares of the picture, shape (len(cells), 4)."""
    moves, bases = distances[cells] * _VARIANCES, of[cells]
    centres = bases[:, :2] + moves[:, :2] * bases[:, 2:]
    halves = np.exp(moves[:, 2:]) * bases[:, 2:] / 2
    return np.concatenate([centres - halves, centres + halves], axis=1)


def _suppress(xyxy: Floats, scores: Floats) -> npt.NDArray[np.intp]:
    """Return the kept boxes, best first."""
    xywh = np.concatenate([xyxy[:, :2], xyxy[:, 2:] - xyxy[:, :2]], axis=1)
    kept = cv2.dnn.NMSBoxes(xywh.tolist(), scores.tolist(), 0.0, _IOU_MAX)
    return np.asarray(kept, np.intp).reshape(-1)
