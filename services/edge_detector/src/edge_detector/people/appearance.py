"""What somebody looks like without the face: the colours of the clothes below it.

No face is recognised here or anywhere: this tells an orange suit from a blue one. People who wear
the same gown look the same to it.
"""

import cv2
import numpy as np

from edge_detector.vision.arrays import Floats, Picture

# Hue and saturation, as coarse as light and shadow demand; brightness is left out for their sake.
_BINS = (12, 6)
_COLOURS = _BINS[0] * _BINS[1]
# Grey and black have no hue: they are told apart by brightness instead.
_GREY_BINS = 6
_SATURATION_MIN = 40
_SIDE_PX = 24
# Of the strip below the face that lies in the frame; less says nothing.
_SHARE_MIN = 0.35


def describe(frame_bgr: Picture, box_px: tuple[float, float, float, float]) -> Floats | None:
    """Return the histogram of what is below a face, shape (78,), its sum 1; None if out of sight.

    Args:
        frame_bgr: Shape (H, W, 3).
        box_px: The face, xyxy.
    """
    left, top, right, bottom = box_px
    width, height = right - left, bottom - top
    strip = (left - 0.3 * width, bottom + 0.25 * height, right + 0.3 * width, bottom + height)
    frame_height, frame_width = frame_bgr.shape[:2]
    x1, x2 = (round(min(max(x, 0), frame_width)) for x in strip[::2])
    y1, y2 = (round(min(max(y, 0), frame_height)) for y in strip[1::2])
    whole = (strip[2] - strip[0]) * (strip[3] - strip[1])
    if whole <= 0 or (x2 - x1) * (y2 - y1) < max(1.0, _SHARE_MIN * whole):
        return None
    small = cv2.resize(frame_bgr[y1:y2, x1:x2], (_SIDE_PX, _SIDE_PX), interpolation=cv2.INTER_AREA)
    return _histogram(cv2.cvtColor(small, cv2.COLOR_BGR2HSV).reshape(-1, 3).astype(np.int64))


def distance(one: Floats, other: Floats) -> float:
    """Return how different two histograms are: 0 the same, 1 nothing in common.

    Source: Hellinger distance, as in Comaniciu et al., Kernel-based object tracking, PAMI 2003.
    """
    return float(np.sqrt(max(0.0, 1.0 - float(np.sqrt(one * other).sum()))))


def _histogram(hsv: np.ndarray[tuple[int, ...], np.dtype[np.int64]]) -> Floats:
    hue, saturation, value = hsv.T
    # OpenCV's hue ends at 179.
    coloured = hue * _BINS[0] // 180 * _BINS[1] + saturation * _BINS[1] // 256
    grey = _COLOURS + value * _GREY_BINS // 256
    cells = np.where(saturation < _SATURATION_MIN, grey, coloured)
    counts = np.bincount(cells, minlength=_COLOURS + _GREY_BINS)
    return np.asarray(counts / counts.sum(), np.float32)
