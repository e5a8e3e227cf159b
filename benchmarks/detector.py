"""The detector's whole frame beside the bare sum of JPEG decode and model invocation.

Both run on the same JPEG, a public-domain portrait in a frame of 640 x 480, with one thread each.
"""

import itertools
import statistics
import time
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from uuid import UUID

import cv2
import numpy as np
import skimage.data
from edge_detector import rules
from edge_detector.events import Composer, Identity, Origin, Speaker
from edge_detector.metrics import Metrics
from edge_detector.pipeline import Pipeline, Watchers
from edge_detector.settings import PACKAGED_MODEL, EdgeDetectorSettings
from edge_detector.sources import files
from edge_detector.sources.base import Frame
from edge_detector.vision import model, motion
from edge_detector.vision.arrays import Picture
from edge_detector.vision.detector import Detector
from maskwatch_proto.alert import ClockQuality, Device
from maskwatch_proto.alert import Model as WireModel
from prometheus_client import CollectorRegistry

from benchmarks.bars import Bar, beside

_FRAMES = 100
_FPS = 10.0
_FLOOR = 0.85


def measure(*, rounds: int) -> list[Bar]:
    """Compare the rates, in frames a second; medians over the rounds.

    The two take turns frame by frame: whatever else the machine does, it does to both.
    """
    encoded = _jpeg()
    whole, bare = _whole(encoded), _bare(encoded)
    whole(), bare()
    rates = [_rates(whole, bare) for _ in range(rounds)]
    ours, peer = (statistics.median(column) for column in zip(*rates, strict=True))
    return [beside("whole frame, 640 x 480", ours, peer, unit="frames/s", floor=_FLOOR)]


def _rates(*frames: Callable[[], None]) -> list[float]:
    spent_s = [0.0] * len(frames)
    for _ in range(_FRAMES):
        for index, frame in enumerate(frames):
            begin_s = time.perf_counter()
            frame()
            spent_s[index] += time.perf_counter() - begin_s
    return [_FRAMES / seconds for seconds in spent_s]


def _whole(encoded: Picture) -> Callable[[], None]:
    loaded = model.load(PACKAGED_MODEL)
    identity = Identity(Device(guid="bench"), WireModel(), loaded.runtime, UUID(int=1))
    settings = EdgeDetectorSettings(
        source="bench", device_guid="bench", outbox_path=Path("never-opened.db")
    )
    (plan,) = settings.plans
    watched = rules.of(plan, evidence_bytes_max=settings.evidence_bytes_max)
    composer = Composer(identity, quality_at=lambda _: ClockQuality.SYNCHRONISED)
    pipeline = Pipeline(
        Detector(loaded),
        Speaker(composer, Origin("bench")),
        # The picture never changes, and yet every frame is to be looked at.
        replace(watched, motion=motion.Rules(idle_look_s=0.0, still_look_s=0.0)),
        Watchers(Metrics(CollectorRegistry())),
    )
    numbers = itertools.count()

    def frame() -> None:
        picture = files.decode_picture(encoded, name="bench")
        pipeline.process(Frame(picture, datetime.now(UTC), next(numbers) / _FPS))

    return frame


def _bare(encoded: Picture) -> Callable[[], None]:
    loaded = model.load(PACKAGED_MODEL)
    size_px = loaded.manifest.input.size_px
    tensor = np.full((1, size_px, size_px, 3), 114, loaded.manifest.input.dtype)

    def frame() -> None:
        cv2.imdecode(encoded, cv2.IMREAD_COLOR)
        loaded.invoke(tensor)

    return frame


def _jpeg() -> Picture:
    portrait = skimage.data.astronaut()[..., ::-1]  # type: ignore[no-untyped-call]
    frame = np.full((480, 640, 3), 114, np.uint8)
    frame[:, 64:576] = portrait[:480]
    _, encoded = cv2.imencode(".jpg", frame, [cv2.IMWRITE_JPEG_QUALITY, 85])
    return np.asarray(encoded, np.uint8)
