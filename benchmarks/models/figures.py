"""Figures of what was found: pure arithmetic on truth and finds."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from edge_detector.vision.arrays import Flags, Floats
from maskwatch_training.detector import precision
from maskwatch_training.detector.precision import Case, Matches

from benchmarks.models.pictures import Shown
from benchmarks.models.subject import BAD_MASK, NO_JUDGEMENT, Found

SIDES_PX = (0, 24, 48)  # least short sides, the photo's long side scaled to 640
_BINS = 15
Whole = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Judged:
    """A picture's truth and what was found in it; the picture itself is not kept."""

    name: str
    size_wh: tuple[int, int]
    truth_px: Floats
    labels: Whole
    found: Found


@dataclass(frozen=True, slots=True)
class Figures:
    """What a table says of one model; nan where it does not apply.

    Attributes:
        ap50: Average precision at IoU .5 of faces of at least 0, 24, 48 px.
        ap40: At IoU .4.
        recall: Of all faces, at the shipped threshold.
        precision: Likewise.
        alarms: Photos without a face that raise an alarm at the shipped threshold ...
        faceless: ... of so many.
        mask_right: Share of found faces with and without a mask judged right, by size as above.
        bad_recall: Of found bad_mask faces of at least 48 px, those called so.
        bad_precision: Of found faces of at least 48 px called bad_mask, those that are.
        calibration_error: Expected calibration error of the label's probability, 24 px and more.
    """

    ap50: tuple[float, ...]
    ap40: tuple[float, ...]
    recall: float
    precision: float
    alarms: int
    faceless: int
    mask_right: tuple[float, ...]
    bad_recall: float
    bad_precision: float
    calibration_error: float


@dataclass(frozen=True, slots=True)
class DoorFigures:
    """Of the door proxy: AP50, recall and share judged right at the shipped threshold."""

    ap50: float
    recall: float
    mask_right: float


def judged(shown: Shown, found: Found) -> Judged:
    """Keep what the figures need."""
    height, width = shown.picture_bgr.shape[:2]
    return Judged(shown.name, (width, height), shown.truth_px, shown.labels, found)


def of_photos(pictures: Sequence[Judged], *, score_min: float) -> Figures:
    """Return the figures of whole photos; `score_min` is the shipped threshold."""
    tight = [_match(pictures, iou_min=0.5, side_min_px=side) for side in SIDES_PX]
    loose = [_match(pictures, iou_min=0.4, side_min_px=side) for side in SIDES_PX]
    shown = tight[0].scores >= score_min
    right = int((shown & tight[0].is_right).sum())
    faceless = [one for one in pictures if not len(one.labels)]
    finds = _pooled(pictures)
    sure = [_labels(matches, finds, score_min=score_min) for matches in tight]
    return Figures(
        ap50=tuple(precision.average_precision(matches) for matches in tight),
        ap40=tuple(precision.average_precision(matches) for matches in loose),
        recall=_share(right, tight[0].faces),
        precision=_share(right, int(shown.sum())),
        alarms=sum(bool((one.found.scores >= score_min).any()) for one in faceless),
        faceless=len(faceless),
        mask_right=tuple(labels.mask_right for labels in sure),
        bad_recall=sure[2].bad_recall,
        bad_precision=sure[2].bad_precision,
        calibration_error=sure[1].calibration_error,
    )


def of_door(pictures: Sequence[Judged], *, score_min: float) -> DoorFigures:
    """Return the figures of the door proxy."""
    matches = _match(pictures, iou_min=0.5, side_min_px=0)
    right = int(((matches.scores >= score_min) & matches.is_right).sum())
    labels = _labels(matches, _pooled(pictures), score_min=score_min)
    return DoorFigures(
        precision.average_precision(matches), _share(right, matches.faces), labels.mask_right
    )


def of_crops(pictures: Sequence[Judged]) -> float:
    """Return the share of tight crops judged right: by the best find; without one it is wrong."""
    if any((one.found.labels == NO_JUDGEMENT).any() for one in pictures):
        return float("nan")
    right = [len(one.found.labels) > 0 and one.found.labels[0] == one.labels[0] for one in pictures]
    return _share(sum(bool(one) for one in right), len(right))


@dataclass(frozen=True, slots=True)
class Labelled:
    """Faces whose judgement is compared: truth, judgement, its probability, shape (N,) each."""

    truth: Whole
    said: Whole
    certainty: Floats

    @property
    def mask_right(self) -> float:
        two = (self.truth != BAD_MASK) & (self.said != NO_JUDGEMENT)
        return _share(int((self.truth == self.said)[two].sum()), int(two.sum()))

    @property
    def bad_recall(self) -> float:
        return self._bad(self.truth == BAD_MASK)

    @property
    def bad_precision(self) -> float:
        return self._bad(self.said == BAD_MASK)

    @property
    def calibration_error(self) -> float:
        judged_ones = self.said != NO_JUDGEMENT
        right = (self.truth == self.said)[judged_ones]
        return calibration_error(right, self.certainty[judged_ones])

    def _bad(self, among: Flags) -> float:
        if (self.said == NO_JUDGEMENT).all():
            return float("nan")
        both = (self.truth == BAD_MASK) & (self.said == BAD_MASK)
        return _share(int(both.sum()), int(among.sum()))


def calibration_error(is_right: Flags, certainty: Floats) -> float:
    """Return the expected calibration error over 15 bins of equal width; nan without a face.

    Source: Guo et al., On Calibration of Modern Neural Networks, ICML 2017.
    """
    if not len(certainty):
        return float("nan")
    bins = np.minimum((certainty * _BINS).astype(int), _BINS - 1)
    gaps = [
        abs(float(is_right[bins == one].mean()) - float(certainty[bins == one].mean()))
        * float((bins == one).mean())
        for one in np.unique(bins)
    ]
    return float(sum(gaps))


def _match(pictures: Sequence[Judged], *, iou_min: float, side_min_px: float) -> Matches:
    """Match finds with faces; `found_labels` of the result are indices into all finds."""
    cases, first = [], 0
    for one in pictures:
        count = len(one.found.scores)
        cases.append(
            Case(
                long_side_px=float(max(one.size_wh)),
                truth_px=one.truth_px,
                truth_labels=one.labels,
                found_px=one.found.xyxy_px,
                scores=one.found.scores,
                labels=np.arange(first, first + count),
            )
        )
        first += count
    return precision.match(cases, iou_min=iou_min, side_min_px=side_min_px)


def _pooled(pictures: Sequence[Judged]) -> Labelled:
    """Return the judgements of all finds, in the order of `_match`; truth is not known here."""
    said = np.concatenate([one.found.labels for one in pictures])
    certainty = np.concatenate([one.found.certainty for one in pictures])
    return Labelled(np.full(len(said), NO_JUDGEMENT, np.int64), said, certainty)


def _labels(matches: Matches, finds: Labelled, *, score_min: float) -> Labelled:
    """Return the judgements of the faces that were found at the threshold."""
    found = matches.is_right & (matches.scores >= score_min)
    which = matches.found_labels[found]
    return Labelled(matches.true_labels[found], finds.said[which], finds.certainty[which])


def _share(part: int, whole: int) -> float:
    return part / whole if whole else float("nan")
