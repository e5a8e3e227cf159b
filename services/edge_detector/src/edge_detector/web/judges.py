"""Detectors for pictures by HTTP: so many at once, so many waiting, the next has to come back."""

import asyncio
import math
import queue
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Protocol

import numpy as np

from edge_detector.vision.arrays import Picture
from edge_detector.vision.faces import Faces
from edge_detector.web import problems
from edge_detector.web.pictures import Decoded, Decoder
from edge_detector.web.problems import Problem

# How much a new measurement weighs in the mean time of a picture.
_SMOOTHING = 0.1


class Detects(Protocol):
    """Finds faces; used by one thread at a time. The real one is `vision.detector.Detector`."""

    def detect(self, frame_bgr: Picture) -> Faces: ...


@dataclass(frozen=True, slots=True)
class Judged:
    """What was seen in a picture.

    Attributes:
        faces: Boxes in px of the picture as displayed.
        size_wh: Of the picture as displayed, px.
        decode_ms: Reading the picture out of the body and decoding it.
        inference_ms: Finding and judging the faces.
    """

    faces: Faces
    size_wh: tuple[int, int]
    decode_ms: float
    inference_ms: float


class Judges:
    """A bounded pool of detectors with a bounded queue before it.

    Args:
        detectors: One a thread; they are used by this pool alone.
        queue_max: Requests that may wait, those whose body is still on its way included.
    """

    def __init__(self, detectors: Sequence[Detects], *, queue_max: int) -> None:
        self._idle: queue.SimpleQueue[Detects] = queue.SimpleQueue()
        for detector in detectors:
            self._idle.put(detector)
        self._workers = len(detectors)
        self._most = len(detectors) + queue_max
        self._inside = 0
        self._mean_s = 0.1
        self._is_closed = False
        self._decoder = Decoder()
        self._threads = ThreadPoolExecutor(len(detectors), thread_name_prefix="predict")

    @contextmanager
    def admission(self) -> Iterator[None]:
        """Hold a place from before the body is read until the answer: bodies are what fills memory.

        Raises:
            Problem: 429 when every place is taken; 503 when the service is about to stop.
        """
        if self._is_closed:
            raise Problem(503, "the service is about to stop", headers={"Retry-After": "5"})
        if self._inside >= self._most:
            wait_s = math.ceil(self._inside * self._mean_s / self._workers)
            raise problems.too_many("the queue is full", retry_after_s=min(max(1, wait_s), 60))
        self._inside += 1
        try:
            yield
        finally:
            self._inside -= 1

    async def judge(self, read: Callable[[], bytes]) -> Judged:
        """Return what a picture shows, seen by the next idle detector.

        Args:
            read: Gives the picture's bytes; called in the detector's thread.

        Raises:
            Problem: The bytes are no picture that is taken; see `Decoder.decode`.
        """
        begin_s = time.perf_counter()
        loop = asyncio.get_running_loop()
        try:
            judged = await loop.run_in_executor(self._threads, self._judge, read)
        except RuntimeError as error:
            if self._is_closed:
                raise Problem(503, "the service is about to stop") from error
            raise
        spent_s = time.perf_counter() - begin_s
        self._mean_s += _SMOOTHING * (min(spent_s, 5.0) - self._mean_s)
        return judged

    def close(self) -> None:
        """Refuse what comes and wait for what is in hand."""
        self._is_closed = True
        self._threads.shutdown(wait=True)

    def _judge(self, read: Callable[[], bytes]) -> Judged:
        begin_s = time.perf_counter()
        decoded = self._decoder.decode(read())
        decoded_s = time.perf_counter()
        detector = self._idle.get()
        try:
            faces = detector.detect(decoded.image_bgr)
        finally:
            self._idle.put(detector)
        return Judged(
            _as_displayed(faces, decoded),
            decoded.size_wh,
            decode_ms=1000 * (decoded_s - begin_s),
            inference_ms=1000 * (time.perf_counter() - decoded_s),
        )


def _as_displayed(faces: Faces, decoded: Decoded) -> Faces:
    height, width = decoded.image_bgr.shape[:2]
    if (width, height) == decoded.size_wh:
        return faces
    ratio = np.array(decoded.size_wh * 2, np.float32) / np.array((width, height) * 2, np.float32)
    return replace(faces, xyxy_px=faces.xyxy_px * ratio)
