"""What the detector's and a classifier's probabilities say together: pure arithmetic."""

from dataclasses import dataclass

import numpy as np
from maskwatch_proto.alert import Label

from edge_detector.vision.arrays import Flags, Floats
from edge_detector.vision.faces import Faces
from edge_detector.vision.manifest import NO_FACE, ClassifierManifest


@dataclass(frozen=True, slots=True)
class Opinions:
    """Probabilities (N, len(classes)) of N faces; each row's sum is 1."""

    classes: tuple[Label, ...]
    probabilities: Floats


@dataclass(frozen=True, slots=True)
class Answers:
    """What a classifier says of some faces of a frame.

    Attributes:
        which: The faces it was asked about, shape (N,) of all faces.
        probabilities: Its answers, shape (which.sum(), len(manifest.labels)).
        manifest: What the columns stand for, and how much they count.
    """

    which: Flags
    probabilities: Floats
    manifest: ClassifierManifest


def judge(
    probabilities: Floats, classes: tuple[Label, ...], *, sure_from: float
) -> tuple[Label, ...]:
    """Return the likeliest class of each face, `unsure` where it is less likely than `sure_from`.

    Args:
        probabilities: Shape (N, len(classes)).
        classes: What the columns stand for.
        sure_from: In [0, 1].
    """
    best = probabilities.argmax(axis=1)
    sure = probabilities.max(axis=1, initial=0.0) >= sure_from
    return tuple(
        classes[index] if is_sure else Label.UNSURE
        for index, is_sure in zip(best, sure, strict=True)
    )


def are_large(xyxy_px: Floats, *, least_side_px: float) -> Flags:
    """Return which boxes (N, 4) have no side below the least."""
    sides = xyxy_px[:, 2:] - xyxy_px[:, :2]
    return np.asarray(sides.min(axis=1, initial=np.inf) >= least_side_px)


def revise(faces: Faces, answers: Answers, *, score_min: float) -> Faces:
    """Return the faces as both models see them, best first.

    Those that the classifier takes for no face sink by its veto, and are left out when their score
    falls below `score_min`. Faces it was not asked about keep score and label.
    """
    manifest = answers.manifest
    opinion, no_face = _of_faces(answers)
    which = np.flatnonzero(answers.which)
    first = Opinions(faces.classes, faces.probabilities[which])
    together = blend(first, opinion, weight=manifest.weight)
    probabilities = np.zeros((len(faces), len(together.classes)), np.float32)
    # `blend` keeps the detector's classes in front.
    probabilities[:, : len(faces.classes)] = faces.probabilities
    probabilities[which] = together.probabilities
    scores = faces.scores.copy()
    scores[which] *= 1 - np.float32(manifest.veto) * no_face
    labels = list(faces.labels)
    judged = judge(together.probabilities, together.classes, sure_from=manifest.unsure_below)
    for index, label in zip(which, judged, strict=True):
        labels[index] = label
    order = np.argsort(-scores, kind="stable")
    order = order[scores[order] >= score_min]
    return Faces(
        faces.xyxy_px[order],
        scores[order],
        probabilities[order],
        together.classes,
        tuple(labels[index] for index in order),
        answers.which[order],
    )


def blend(first: Opinions, second: Opinions, *, weight: float) -> Opinions:
    """Return the weighted mean of two opinions on the same faces.

    Who does not know a class leaves it to the other: its own probabilities share what the other
    leaves over for the classes that it knows.

    Args:
        first: One opinion; its classes come first in the result.
        second: The other.
        weight: Of the second, in [0, 1].
    """
    classes = first.classes + tuple(label for label in second.classes if label not in first.classes)
    own, other = _spread(first, second, classes), _spread(second, first, classes)
    return Opinions(classes, np.asarray((1 - weight) * own + weight * other, np.float32))


def _spread(one: Opinions, other: Opinions, classes: tuple[Label, ...]) -> Floats:
    """Return the one's probabilities of all classes, the other's where it knows none."""
    spread = np.zeros((len(one.probabilities), len(classes)), np.float32)
    for column, label in enumerate(classes):
        if label not in one.classes:
            spread[:, column] = other.probabilities[:, other.classes.index(label)]
    left_over = 1 - spread.sum(axis=1)
    for column, label in enumerate(classes):
        if label in one.classes:
            spread[:, column] = one.probabilities[:, one.classes.index(label)] * left_over
    return spread


def _of_faces(answers: Answers) -> tuple[Opinions, Floats]:
    """Return the classes' probabilities given that it is a face, and those that it is none."""
    labels, given = answers.manifest.labels, answers.probabilities
    no_face = np.zeros(len(given), np.float32)
    if NO_FACE in labels:
        no_face = given[:, labels.index(NO_FACE)]
    columns = [column for column, label in enumerate(labels) if label != NO_FACE]
    # The floor keeps the classes' order when the classifier is certain that it is no face.
    shares = np.maximum(given[:, columns], np.float32(1e-6))
    classes = tuple(Label(labels[column]) for column in columns)
    return Opinions(classes, shares / shares.sum(axis=1, keepdims=True)), no_face
