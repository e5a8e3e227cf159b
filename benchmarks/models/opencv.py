"""The face detectors that come with OpenCV or run in it; they know nothing of masks."""

import time
from pathlib import Path

import cv2
import numpy as np
from edge_detector.vision.arrays import Floats, Picture

from benchmarks.models.subject import Found, found_without_judgement

_YUNET_THRESHOLD = 0.9  # OpenCV's default for FaceDetectorYN
_YUNET_IOU_MAX = 0.3  # the same
_YUNET_MOST = 5000  # the same
_SCORE_MIN = 0.02


class YuNet:
    """YuNet-n with a fixed square input, the frame letterboxed into it."""

    def __init__(self, file: Path, *, size_px: int) -> None:
        self.names = (f"YuNet {size_px}",)
        self.thresholds = (_YUNET_THRESHOLD,)
        self._canvas = np.zeros((size_px, size_px, 3), np.uint8)
        self._everything = _yunet(file, size_px, _SCORE_MIN)
        self._shipped = _yunet(file, size_px, _YUNET_THRESHOLD)

    def find(self, frame_bgr: Picture) -> tuple[Found, ...]:
        return (self._faces(self._everything, frame_bgr),)

    def call(self, frame_bgr: Picture) -> tuple[float, ...]:
        begin_s = time.perf_counter()
        self._faces(self._shipped, frame_bgr)
        return (time.perf_counter() - begin_s,)

    def _faces(self, network: cv2.FaceDetectorYN, frame_bgr: Picture) -> Found:
        height, width = frame_bgr.shape[:2]
        scale = self._canvas.shape[0] / max(height, width)
        size_wh = (max(1, round(width * scale)), max(1, round(height * scale)))
        self._canvas[:] = 0
        self._canvas[: size_wh[1], : size_wh[0]] = cv2.resize(frame_bgr, size_wh)
        rows = network.detect(self._canvas)[1]
        table = np.zeros((0, 15), np.float32) if rows is None else np.asarray(rows, np.float32)
        xyxy = np.concatenate([table[:, :2], table[:, :2] + table[:, 2:4]], axis=1) / scale
        return found_without_judgement(_within(xyxy, frame_bgr), table[:, 14])


class Haar:
    """The cascade of 2001, with OpenCV's default parameters."""

    names = ("Haar cascade",)
    thresholds = (0.0,)

    def __init__(self) -> None:
        path = Path(cv2.__file__).parent / "data" / "haarcascade_frontalface_default.xml"
        self._cascade = cv2.CascadeClassifier(str(path))

    def find(self, frame_bgr: Picture) -> tuple[Found, ...]:
        grey = cv2.cvtColor(frame_bgr, cv2.COLOR_BGR2GRAY)
        boxes, _, weights = self._cascade.detectMultiScale3(grey, outputRejectLevels=True)
        xywh = np.asarray(boxes, np.float32).reshape(-1, 4)
        xyxy = np.concatenate([xywh[:, :2], xywh[:, :2] + xywh[:, 2:]], axis=1)
        weight = np.asarray(weights, np.float32).reshape(-1)
        # The last stage's margin has no upper end; squeezed into [0, 1) in the same order.
        scores = weight.clip(0) / (1 + weight.clip(0))
        return (found_without_judgement(xyxy, scores),)

    def call(self, frame_bgr: Picture) -> tuple[float, ...]:
        begin_s = time.perf_counter()
        grey = cv2.cvtColor(frame_bgr, cv2.COLOR_BGR2GRAY)
        self._cascade.detectMultiScale(grey)
        return (time.perf_counter() - begin_s,)


def _yunet(file: Path, size_px: int, score_min: float) -> cv2.FaceDetectorYN:
    return cv2.FaceDetectorYN.create(
        str(file), "", (size_px, size_px), score_min, _YUNET_IOU_MAX, _YUNET_MOST
    )


def _within(xyxy: Floats, frame_bgr: Picture) -> Floats:
    height, width = frame_bgr.shape[:2]
    return np.asarray(xyxy.clip(0, np.array([width, height, width, height])), np.float32)
