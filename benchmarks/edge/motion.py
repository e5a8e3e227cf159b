"""What an idle scene costs beside a busy one: the pipeline's processor time, 720p, 5 fps."""

import sys
import time
from collections.abc import Iterable

from edge_detector.sources.base import Frame

from benchmarks import bars
from benchmarks.bars import Bar
from benchmarks.edge import episodes, scenes

_FPS, _SECONDS = 5.0, 40.0
_SHARE_MAX = 0.4


def measure() -> list[Bar]:
    """Return the milliseconds a frame of both scenes, and their ratio."""
    clips = (scenes.idle(_SECONDS), scenes.five_faces(_SECONDS))
    spent_ms = [_frame_ms(scenes.frames(clip, fps=_FPS)) for clip in clips]
    share = spent_ms[0] / spent_ms[1]
    return [
        Bar("idle scene, a frame", spent_ms[0], "ms"),
        Bar("five faces that move, a frame", spent_ms[1], "ms"),
        bars.at_most("idle beside busy", share, _SHARE_MAX, unit="share"),
    ]


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
