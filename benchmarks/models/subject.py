"""What is measured: something that finds faces in a frame."""

from dataclasses import dataclass
from typing import Protocol

import numpy as np
import numpy.typing as npt
from edge_detector.vision.arrays import Floats, Picture

# The columns of every judgement here, in the order of the training labels.
MASK, NO_MASK, BAD_MASK = 0, 1, 2
NO_JUDGEMENT = -1


@dataclass(frozen=True, slots=True)
class Found:
    """Faces of one frame, best first.

    Attributes:
        xyxy_px: Corners in px of the frame, shape (N, 4).
        scores: How surely it is a face, shape (N,).
        labels: MASK, NO_MASK, BAD_MASK or NO_JUDGEMENT, shape (N,).
        certainty: Probability of the label, shape (N,).
    """

    xyxy_px: Floats
    scores: Floats
    labels: npt.NDArray[np.int64]
    certainty: Floats


class Subject(Protocol):
    """One model, or one with several ways of judging what it found.

    Attributes:
        names: Of the ways, in the order of `find`.
        thresholds: From which score on each is meant to be used.
    """

    @property
    def names(self) -> tuple[str, ...]: ...
    @property
    def thresholds(self) -> tuple[float, ...]: ...

    def find(self, frame_bgr: Picture) -> tuple[Found, ...]:
        """Return all it suspects, down to scores far below the threshold."""
        ...

    def call(self, frame_bgr: Picture) -> tuple[float, ...]:
        """Do what a user of it would do, at its threshold; return the seconds of each way."""
        ...


def found_without_judgement(xyxy_px: Floats, scores: Floats) -> Found:
    """Return what a detector that knows nothing of masks has found, best first."""
    order = np.argsort(-scores, kind="stable")
    nothing = np.full(len(order), NO_JUDGEMENT, np.int64)
    return Found(xyxy_px[order], scores[order], nothing, np.zeros(len(order), np.float32))
