"""The best picture of each person who may become an alert; never one that may not be kept."""

from collections.abc import Collection

import numpy as np
from maskwatch_proto.alert import Label

from edge_detector import evidence, privacy
from edge_detector.evidence import Evidence
from edge_detector.judged import Judged
from edge_detector.people import best
from edge_detector.people.best import Candidate, Kept
from edge_detector.people.episodes import Sighting
from edge_detector.privacy import Plan


class Album:
    """Bounded by the people in view: two JPEGs each at most, one a label.

    Args:
        plan: What of a picture may be kept.
        size_bytes_max: Of each JPEG.
    """

    def __init__(self, plan: Plan, *, size_bytes_max: int) -> None:
        self._plan = plan
        self._size_bytes_max = size_bytes_max
        self._kept: dict[int, Kept] = {}

    def consider(self, number: int, sighting: Sighting, made: Judged, *, at_s: float) -> None:
        """Keep the frame for the episode of a number if it shows the person best so far."""
        face_px = np.array(sighting.box_px, np.float32)
        label = sighting.judgement.label
        kept = self._kept.get(number, Kept())
        value = best.quality(made.frame.image_bgr, face_px, score=sighting.score)
        if not best.is_better(kept, label, value, at_s=at_s):
            return
        present = privacy.of_one(made.present, face_px)
        picture = privacy.shown(made.frame.image_bgr, present, self._plan)
        if picture is None:
            return
        encoded = evidence.encode(picture, face_px, label, size_bytes_max=self._size_bytes_max)
        self._kept[number] = best.taken(kept, label, Candidate(value, at_s, encoded))

    def take(self, number: int, label: Label) -> Evidence | None:
        """Return the picture of an episode for a label, and forget the episode."""
        candidate = self._kept.pop(number, Kept()).by_label.get(label)
        return None if candidate is None else candidate.evidence

    def keep(self, numbers: Collection[int]) -> None:
        """Forget everyone but the episodes of these numbers."""
        self._kept = {number: kept for number, kept in self._kept.items() if number in numbers}
