"""Classifiers on their own: on the annotated faces, and on cuts of photos without a face."""

import statistics
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
from edge_detector.vision import classifier as classifiers
from edge_detector.vision.arrays import Floats
from edge_detector.vision.manifest import NO_FACE
from maskwatch_training.labels import LABELS

from benchmarks.bars import Bar, at_least, at_most
from benchmarks.models.figures import calibration_error
from benchmarks.models.pictures import Shown

_INT8 = "-int8"
_MICROCONTROLLER_BYTES = 220_000  # what fits such a board
_SIDES_PX = (24.0, 48.0)  # least short sides, the photo's long side scaled to 640
_FACELESS_CUTS = 6  # of each photo without a face
_FACELESS_SIDES_PX = (32.0, 240.0)
_NAMES = (*LABELS, NO_FACE)
Whole = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Answered:
    """What a classifier said of cuts: truth (N,) indexes the names, `side_px` (N,) at 640."""

    truth: Whole
    side_px: Floats
    probabilities: Floats
    seconds: Sequence[float]


@dataclass(frozen=True, slots=True)
class CutFigures:
    """Of one classifier; sizes as in the other table, nan where it has no such label.

    `right` is the share of all cuts of its labels; `mask_right` of mask and no_mask, 24 and 48 px.
    """

    name: str
    labels: tuple[str, ...]
    right: float
    mask_right: tuple[float, ...]
    bad_recall: float
    bad_precision: float
    no_face_recall: float
    calibration_error: float
    ms: float
    size_bytes: int


def measure(manifests: Iterable[Path], pictures: Iterable[Shown], *, seed: int) -> list[CutFigures]:
    """Judge all cuts with all classifiers, picture by picture."""
    loaded = [(path, classifiers.load(path)) for path in manifests]
    if not loaded:
        return []
    parts: list[list[Answered]] = [[] for _ in loaded]
    random = np.random.default_rng(seed)
    for shown in pictures:
        boxes, truth = _boxes(shown, random)
        for part, (_, classifier) in zip(parts, loaded, strict=True):
            part.append(_answers(classifier, shown, boxes, truth))
    return [
        _figures(path, classifier, _pooled(part))
        for part, (path, classifier) in zip(parts, loaded, strict=True)
    ]


def text(figures: Sequence[CutFigures]) -> str:
    """Return the table."""
    wide = max(len(one.name) for one in figures)
    lines = [f"{'':{wide}}  all    mask 24/48     bad r/p        no_face  ECE    ms/face   KB"]
    lines += [
        f"{one.name:{wide}}  {one.right:.3f}  {one.mask_right[0]:.3f} / {one.mask_right[1]:.3f}"
        f"  {one.bad_recall:.3f} / {one.bad_precision:.3f}  {one.no_face_recall:.3f}"
        f"    {one.calibration_error:.3f}  {one.ms:7.2f}  {one.size_bytes / 1000:5.0f}"
        for one in figures
    ]
    return "\n".join(lines)


def bars(measured: Sequence[CutFigures]) -> dict[str, list[Bar]]:
    """Return the bars of each int8 classifier by its name; those of float files are no promise."""
    by_name = {one.name: one for one in measured}
    return {
        name: _bars(one, by_name.get(name.removesuffix(_INT8)))
        for name, one in by_name.items()
        if name.endswith(_INT8)
    }


def _bars(one: CutFigures, twin: CutFigures | None) -> list[Bar]:
    lost = [] if twin is None else [_lost(one, twin)]
    if "bad_mask" in one.labels:
        return [at_most("a face", one.ms, 2.0, unit="ms"), *lost]
    return [
        at_least("cuts judged right", one.right, 0.90, unit="share"),
        at_most("size", one.size_bytes, _MICROCONTROLLER_BYTES, unit="bytes"),
        *lost,
    ]


def _lost(one: CutFigures, twin: CutFigures) -> Bar:
    return at_most("right lost beside float", twin.right - one.right, 0.01, unit="share")


def _boxes(shown: Shown, random: np.random.Generator) -> tuple[Floats, Whole]:
    if len(shown.labels):
        return shown.truth_px, shown.labels
    height, width = shown.picture_bgr.shape[:2]
    low, high = np.log(_FACELESS_SIDES_PX)
    sides = np.exp(random.uniform(low, high, _FACELESS_CUTS))
    sides = sides.clip(1, min(height, width))
    left = random.uniform(0, 1, _FACELESS_CUTS) * (width - sides)
    top = random.uniform(0, 1, _FACELESS_CUTS) * (height - sides)
    boxes = np.stack([left, top, left + sides, top + sides], axis=1).astype(np.float32)
    return boxes, np.full(_FACELESS_CUTS, _NAMES.index(NO_FACE), np.int64)


def _answers(
    classifier: classifiers.Classifier, shown: Shown, boxes: Floats, truth: Whole
) -> Answered:
    rows, seconds = [], []
    for box in boxes:
        begin_s = time.perf_counter()
        rows.append(classifier.judge(shown.picture_bgr, box[None])[0])
        seconds.append(time.perf_counter() - begin_s)
    sides = (boxes[:, 2:] - boxes[:, :2]).min(axis=1) * (640 / shown.long_side_px)
    return Answered(truth, sides.astype(np.float32), np.stack(rows), seconds)


def _pooled(parts: Sequence[Answered]) -> Answered:
    return Answered(
        np.concatenate([part.truth for part in parts]),
        np.concatenate([part.side_px for part in parts]),
        np.concatenate([part.probabilities for part in parts]),
        [second for part in parts for second in part.seconds],
    )


def _figures(path: Path, classifier: classifiers.Classifier, given: Answered) -> CutFigures:
    manifest = classifier.manifest
    known = np.array([_NAMES.index(label) for label in manifest.labels])
    said = known[given.probabilities.argmax(axis=1)]
    right = said == given.truth
    meant = np.isin(given.truth, known) & (given.side_px >= _SIDES_PX[0])
    large = given.side_px >= _SIDES_PX[1]
    two = np.isin(given.truth, [LABELS.index("mask"), LABELS.index("no_mask")])
    is_bad, says_bad = (one == LABELS.index("bad_mask") for one in (given.truth, said))
    is_face = given.truth != _NAMES.index(NO_FACE)
    return CutFigures(
        name=manifest.name,
        labels=manifest.labels,
        right=_mean(right[meant]),
        mask_right=tuple(_mean(right[two & (given.side_px >= side)]) for side in _SIDES_PX),
        bad_recall=_mean(says_bad[is_bad & large]),
        bad_precision=_mean(is_bad[says_bad & large & is_face]),
        no_face_recall=_mean(right[~is_face]),
        calibration_error=calibration_error(
            right[meant], given.probabilities.max(axis=1)[meant].astype(np.float32)
        ),
        ms=1000 * statistics.median(given.seconds),
        size_bytes=path.with_name(manifest.file).stat().st_size,
    )


def _mean(flags: npt.NDArray[np.bool_]) -> float:
    return float(flags.mean()) if len(flags) else float("nan")
