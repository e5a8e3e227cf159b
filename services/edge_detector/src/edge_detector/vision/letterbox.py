"""A frame made to fit the model's square input."""

from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

from edge_detector.vision.arrays import Picture
from edge_detector.vision.quantisation import FLOAT, PixelCode, Quantisation


class Letterbox:
    """Scales frames into one input tensor, at its top left; the rest keeps the fill value.

    Args:
        size_px: Side of the square input.
        fill: Value in [0, 255] of what the frame does not cover.
        dtype: The tensor's type.
        quantisation: How the tensor stands for values in [0, 255].
    """

    def __init__(
        self,
        size_px: int,
        *,
        fill: int,
        dtype: npt.DTypeLike = np.float32,
        quantisation: Quantisation = FLOAT,
    ) -> None:
        self._size_px = size_px
        self._code = PixelCode(dtype, quantisation)
        self._fill = self._code[fill]
        self._input = np.full((1, size_px, size_px, 3), self._fill, dtype)
        self._covered = (0, 0)

    def fit(self, frame_bgr: Picture) -> tuple[npt.NDArray[Any], float]:
        """Return the input tensor and the scale, in px of the input per px of the frame.

        Args:
            frame_bgr: Shape (H, W, 3), H and W at least 1.

        Returns:
            The tensor, shape (1, size, size, 3), RGB, which the next call overwrites; a point of
            the frame times the scale is the same point in the tensor.
        """
        height, width = frame_bgr.shape[:2]
        scale = self._size_px / max(height, width)
        covered = (max(1, round(height * scale)), max(1, round(width * scale)))
        small = _resized(frame_bgr, (covered[1], covered[0]), fold=int(1 / scale))
        rgb = cv2.cvtColor(small, cv2.COLOR_BGR2RGB)
        if covered != self._covered:
            self._input[:] = self._fill
            self._covered = covered
        self._code.write(np.asarray(rgb, np.uint8), self._input[0, : covered[0], : covered[1]])
        return self._input, scale


def _resized(frame_bgr: Picture, size_wh: tuple[int, int], *, fold: int) -> Picture:
    """Return the frame at another size; `fold`: how many whole times it shrinks.

    Areas are averaged a whole number of times, which OpenCV does several times as fast as any
    other; the rest, less than half, is interpolated. On the photos held back that finds as much
    as averaging all the way, as in training.
    """
    if fold > 1:
        height, width = frame_bgr.shape[:2]
        whole = (max(1, width // fold), max(1, height // fold))
        frame_bgr = np.asarray(cv2.resize(frame_bgr, whole, interpolation=cv2.INTER_AREA), np.uint8)
    if frame_bgr.shape[1::-1] == size_wh:
        return frame_bgr
    return np.asarray(cv2.resize(frame_bgr, size_wh, interpolation=cv2.INTER_LINEAR), np.uint8)
