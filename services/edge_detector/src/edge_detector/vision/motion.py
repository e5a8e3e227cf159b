"""Whether a frame is worth a look: an idle scene needs no model."""

from dataclasses import dataclass

import cv2
import numpy as np

from edge_detector.vision.arrays import Floats, Picture

_SMALL_WH = (64, 36)
# The frame is thinned to about so many px a row before it is averaged: noise goes all the same.
_THINNED_PX = 320


@dataclass(frozen=True, slots=True)
class Rules:
    """When the model looks at a frame in which nothing moves.

    Attributes:
        idle_look_s: At the latest after so long while nobody is known to be in view.
        still_look_s: At the latest after so long while somebody is: who stands is judged as well.
        grey_levels: A cell of the picture, 1/64 of its width, that differs by more has moved.
    """

    idle_look_s: float = 2.0
    still_look_s: float = 0.5
    grey_levels: float = 6.0


class Gate:
    """Remembers the last frame that was looked at.

    Comparing with that one, and not with the frame before, catches whoever moves slowly.
    """

    def __init__(self, rules: Rules) -> None:
        self.rules = rules
        self._seen: Floats | None = None
        self._looked_s = -np.inf

    def is_due(self, frame_bgr: Picture, *, at_s: float, is_anyone_here: bool) -> bool:
        """Return whether the model has to look at a frame, shape (H, W, 3), at this moment."""
        small = _small(frame_bgr)
        rules = self.rules
        wait_s = rules.still_look_s if is_anyone_here else rules.idle_look_s
        # A frame may come a little early.
        is_time = at_s - self._looked_s >= wait_s - 0.02 or at_s < self._looked_s
        if not is_time and not self._has_moved(small):
            return False
        self._seen, self._looked_s = small, at_s
        return True

    def _has_moved(self, small: Floats) -> bool:
        if self._seen is None:
            return True
        change = small - self._seen
        # A lamp or the camera's exposure changes all cells alike.
        change -= np.median(change)
        return float(np.abs(change).max()) > self.rules.grey_levels


def _small(frame_bgr: Picture) -> Floats:
    step = max(1, frame_bgr.shape[1] // _THINNED_PX)
    thinned = np.ascontiguousarray(frame_bgr[::step, ::step])
    small = cv2.resize(thinned, _SMALL_WH, interpolation=cv2.INTER_AREA)
    return np.asarray(cv2.cvtColor(small, cv2.COLOR_BGR2GRAY), np.float32)
