"""Finds faces with the shipped detector and eyes with OpenCV's Haar cascades."""

from __future__ import annotations

from pathlib import Path

import cv2
import cv2.data
import numpy as np

from maskwatch_training.arrays import Image
from maskwatch_training.capture.boxes import Box, Point
from maskwatch_training.capture.session import Face
from maskwatch_training.detector import evaluate
from maskwatch_training.detector.decode import Limits
from maskwatch_training.detector.tflite import Model

# Viola and Jones, Rapid Object Detection using a Boosted Cascade, CVPR 2001. The first is surer
# and knows glasses, the second finds what it misses.
_CASCADES = ("haarcascade_eye_tree_eyeglasses.xml", "haarcascade_eye.xml")
_FACE_WIDTH_PX = 200  # a face is brought to this width, where an eye is some 45 px
_EYE_SIDES_PX = (24, 80)
_UPPER_SHARE = 0.65  # of the box's height, where eyes are
_LEAST_FACE_PX = 24.0  # below this no cascade sees an eye


class NoDetector(ValueError):  # noqa: N818 - named for what is wrong, as all our errors are
    """The face detector cannot be loaded; the message names the file."""


class Finder:
    """Finds the faces of a picture, and their eyes.

    Args:
        model: A .tflite face detector of this project.
        score_min: Least score of a face, [0, 1].

    Raises:
        NoDetector: The file is missing or no such model.
    """

    def __init__(self, model: Path, *, score_min: float) -> None:
        if not model.is_file():
            raise NoDetector(f"--model: {model} is no file")
        try:
            self._model = Model(model)
        except (ValueError, RuntimeError) as error:
            raise NoDetector(f"--model: {model} is no face detector: {error}") from error
        self._limits = Limits(score_min=score_min)
        self._cascades = [cv2.CascadeClassifier(cv2.data.haarcascades + name) for name in _CASCADES]

    def find(self, picture: Image) -> tuple[Face, ...]:
        """Return the faces of a picture (H, W, 3) RGB, best first."""
        found = evaluate.find(self._model, picture, self._limits)
        grey = np.asarray(cv2.cvtColor(picture, cv2.COLOR_RGB2GRAY), np.uint8)
        return tuple(
            Face(box, score=float(score), eyes=self._eyes(grey, box))
            for box, score in zip(map(_box, found.boxes_px), found.scores, strict=True)
        )

    def eyes(self, picture: Image, box: Box) -> tuple[Point, ...]:
        """Return the centres of the eyes in a box of a picture (H, W, 3) RGB, left to right."""
        return self._eyes(np.asarray(cv2.cvtColor(picture, cv2.COLOR_RGB2GRAY), np.uint8), box)

    def _eyes(self, grey: Image, box: Box) -> tuple[Point, ...]:
        x1, y1, x2, y2 = (round(side) for side in box)
        if x2 - x1 < _LEAST_FACE_PX:
            return ()
        part = grey[y1 : y1 + round((y2 - y1) * _UPPER_SHARE), x1:x2]
        if not part.size:
            return ()
        scale = _FACE_WIDTH_PX / part.shape[1]
        sized = cv2.resize(part, None, fx=scale, fy=scale, interpolation=cv2.INTER_LINEAR)
        best: list[Point] = []
        for cascade in self._cascades:
            found = _one_a_half(cascade, np.asarray(sized, np.uint8))
            best = max(best, found, key=len)
            if len(best) == 2:
                break
        return tuple((x1 + x / scale, y1 + y / scale) for x, y in best)


def _box(xyxy: np.ndarray[tuple[int, ...], np.dtype[np.float32]]) -> Box:
    x1, y1, x2, y2 = (float(side) for side in xyxy)
    return (x1, y1, x2, y2)


def _one_a_half(cascade: cv2.CascadeClassifier, part: Image) -> list[Point]:
    """Return the surest eye of the left half and of the right half, as far as there is one."""
    least, most = _EYE_SIDES_PX
    found, _, weights = cascade.detectMultiScale3(
        part,
        scaleFactor=1.1,
        minNeighbors=3,
        minSize=(least, least),
        maxSize=(most, most),
        outputRejectLevels=True,
    )
    halves: dict[bool, tuple[float, Point]] = {}
    for (x, y, width, height), weight in zip(found, np.ravel(weights), strict=True):
        centre = (float(x + width / 2), float(y + height / 2))
        is_right = centre[0] > part.shape[1] / 2
        if float(weight) > halves.get(is_right, (-np.inf, centre))[0]:
            halves[is_right] = (float(weight), centre)
    return [halves[side][1] for side in sorted(halves)]
