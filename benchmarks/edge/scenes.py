"""What a camera of 1280 x 720 sees: nobody, or five people who move. Drawn anew every time."""

import itertools
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace

import cv2
import numpy as np
from edge_detector.sources.base import Frame

from benchmarks.edge.stage import Actor, Clip

# People are back where they began after so many seconds: a loop of it has no seam.
PERIOD_S = 10.0
_SIZE_WH = (1280, 960)
_HEIGHT_PX = 720
_LEGS = 8


def idle(seconds: float) -> Clip:
    """Return a room that nobody enters; only the sensor's grain moves."""
    return Clip("idle", seconds, (), 0, 0)


def five_faces(seconds: float) -> Clip:
    """Return five people without a mask side by side who sway by their half width."""

    def way(x: float) -> tuple[tuple[float, float, float], ...]:
        return tuple((PERIOD_S / 2 * turn, x + 40 * (turn % 2), 170.0) for turn in range(_LEGS + 1))

    places = (40.0 + 130 * number for number in range(5))
    return Clip("busy", seconds, tuple(Actor(((0.0, "collins"),), way(x)) for x in places), 5, 5)


BY_NAME: Mapping[str, Callable[[float], Clip]] = {"idle": idle, "busy": five_faces}


def frames(clip: Clip, *, fps: float) -> Iterator[Frame]:
    """Yield `fps` frames for each second of the clip, 1280 x 720, evenly in time."""
    # A stretch without anybody has fewer frames in the clip: it is shown again.
    shown = itertools.chain.from_iterable(clip.frames(fps=fps, seed=1) for _ in itertools.count())
    for number, frame in enumerate(itertools.islice(shown, round(clip.duration_s * fps))):
        picture = cv2.resize(frame.image_bgr, _SIZE_WH, interpolation=cv2.INTER_LINEAR)
        cropped = np.ascontiguousarray(np.asarray(picture, np.uint8)[:_HEIGHT_PX])
        yield replace(frame, image_bgr=cropped, at_s=number / fps)
