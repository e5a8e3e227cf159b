"""What an idle scene costs beside a busy one: the pipeline's processor time, 720p, 5 fps."""

import itertools
import sys
import time
from collections.abc import Iterable
from dataclasses import replace

import cv2
import numpy as np
from edge_detector.sources.base import Frame

from benchmarks import bars
from benchmarks.bars import Bar
from benchmarks.edge import episodes
from benchmarks.edge.stage import Actor, Clip

_FPS, _SECONDS = 5.0, 40.0
_SHARE_MAX = 0.4
_SIZE_WH = (1280, 960)
_HEIGHT_PX = 720


def measure() -> list[Bar]:
    """Return the milliseconds a frame of both scenes, and their ratio."""
    idle, busy = Clip("idle", _SECONDS, (), 0, 0), Clip("busy", _SECONDS, _five(), 5, 5)
    # A scene without anybody is shown in full here: its frames are what is measured.
    spent_ms = [_frame_ms(_large(clip)) for clip in (idle, busy)]
    share = spent_ms[0] / spent_ms[1]
    return [
        Bar("idle scene, a frame", spent_ms[0], "ms"),
        Bar("five faces that move, a frame", spent_ms[1], "ms"),
        bars.at_most("idle beside busy", share, _SHARE_MAX, unit="share"),
    ]


def _five() -> tuple[Actor, ...]:
    def way(x: float) -> tuple[tuple[float, float, float], ...]:
        return tuple((5.0 * turn, x + 40 * (turn % 2), 170.0) for turn in range(9))

    return tuple(Actor(((0.0, "collins"),), way(40.0 + 130 * number)) for number in range(5))


def _large(clip: Clip) -> Iterable[Frame]:
    for number, frame in enumerate(itertools.islice(_every(clip), int(_SECONDS * _FPS))):
        picture = cv2.resize(frame.image_bgr, _SIZE_WH, interpolation=cv2.INTER_LINEAR)
        cropped = np.ascontiguousarray(np.asarray(picture, np.uint8)[:_HEIGHT_PX])
        yield replace(frame, image_bgr=cropped, at_s=number / _FPS)


def _every(clip: Clip) -> Iterable[Frame]:
    while True:
        yield from clip.frames(fps=_FPS, seed=1)


def _frame_ms(frames: Iterable[Frame]) -> float:
    watched = episodes.watched(episodes.detector())
    spent_s, count = 0.0, 0
    for frame in frames:
        begin_s = time.process_time()
        watched.process(frame)
        spent_s += time.process_time() - begin_s
        count += 1
    return 1000 * spent_s / count


def main() -> int:
    """Measure and return 1 when the bar was missed."""
    return 0 if bars.report("edge-motion", measure()) else 1


if __name__ == "__main__":
    sys.exit(main())
