"""Our models, by exactly the code that ships."""

import time
from pathlib import Path

import numpy as np
from edge_detector.vision import classifier as classifiers
from edge_detector.vision import model as models
from edge_detector.vision.arrays import Picture
from edge_detector.vision.classifier import Classifier
from edge_detector.vision.detector import Detector
from edge_detector.vision.faces import Faces
from maskwatch_proto.alert import Label

from benchmarks.models.subject import BAD_MASK, MASK, NO_MASK, Found

# What `edge-detector predict` is asked for when it is measured.
SCORE_MIN = 0.05
_COLUMNS = {Label.MASK: MASK, Label.NO_MASK: NO_MASK, Label.BAD_MASK: BAD_MASK}


class Ours:
    """A detector alone and, where there is one, with a classifier that judges what it found."""

    def __init__(self, manifest: Path, classifier: Path | None) -> None:
        model = models.load(manifest)
        self.name = model.manifest.name
        second = None if classifier is None else classifiers.load(classifier)
        self._all = _pair(model, second, score_min=SCORE_MIN)
        self._shipped = _pair(model, second, score_min=None)
        together = () if second is None else (f"{self.name} + {second.manifest.name}",)
        self.names = (self.name, *together)
        self.thresholds = (model.manifest.score_threshold,) * len(self.names)
        self.input_px = model.manifest.input.size_px

    def find(self, frame_bgr: Picture) -> tuple[Found, ...]:
        return tuple(found(faces) for faces in self.faces(frame_bgr))

    def faces(self, frame_bgr: Picture) -> tuple[Faces, ...]:
        """Return what each way sees, down to SCORE_MIN."""
        alone, *others = self._all
        faces = alone.detect(frame_bgr)
        return (faces, *(other.revise(frame_bgr, faces) for other in others))

    def call(self, frame_bgr: Picture) -> tuple[float, ...]:
        begin_s = time.perf_counter()
        alone, *others = self._shipped
        faces = alone.detect(frame_bgr)
        spent = [time.perf_counter() - begin_s]
        for other in others:
            other.revise(frame_bgr, faces)
            spent.append(time.perf_counter() - begin_s)
        return tuple(spent)


def found(faces: Faces) -> Found:
    """Return shipped faces as they are measured: the best label counts, however unsure."""
    return Found(
        faces.xyxy_px,
        faces.scores,
        np.array([_COLUMNS[label] for label in faces.best_labels], np.int64),
        faces.probabilities.max(axis=1, initial=0.0),
    )


def _pair(
    model: models.Model, second: Classifier | None, *, score_min: float | None
) -> list[Detector]:
    alone = Detector(model, score_min=score_min)
    if second is None:
        return [alone]
    return [alone, Detector(model, classifier=second, score_min=score_min)]
