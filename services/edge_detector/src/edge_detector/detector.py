"""Faces in a frame, and what each wears."""

from dataclasses import dataclass

import numpy as np
from maskwatch_proto.alert import Label

from edge_detector import boxes
from edge_detector.arrays import Floats, Picture
from edge_detector.model import Model

# A crowd on one picture; more cells than this are noise, and cost time.
_CELLS_MAX = 600


@dataclass(frozen=True, slots=True)
class Faces:
    """Faces of one frame, best first; the arrays cannot be written.

    Attributes:
        xyxy_px: Corners in px of the frame, within it, continuous, shape (N, 4) float32.
        scores: How surely it is a face, in [0, 1], shape (N,).
        probabilities: Of each class in the order of `classes`, shape (N, len(classes)).
        classes: The model's labels.
        labels: The likeliest class of each face, or `unsure`, length N.
    """

    xyxy_px: Floats
    scores: Floats
    probabilities: Floats
    classes: tuple[Label, ...]
    labels: tuple[Label, ...]

    def __post_init__(self) -> None:
        for array in (self.xyxy_px, self.scores, self.probabilities):
            array.setflags(write=False)

    def __len__(self) -> int:
        return len(self.scores)

    @property
    def best_labels(self) -> tuple[Label, ...]:
        """The likeliest class of each face, however unlikely."""
        return tuple(self.classes[index] for index in self.probabilities.argmax(axis=1))


class Detector:
    """Finds faces with a model.

    Args:
        model: The loaded model; used by one thread at a time.
        score_min: From this score on something is a face; the manifest's threshold by default.
    """

    def __init__(self, model: Model, *, score_min: float | None = None) -> None:
        self._model = model
        self._letterbox = model.letterbox()
        self._score_min = model.manifest.score_threshold if score_min is None else score_min

    def detect(self, frame_bgr: Picture) -> Faces:
        """Return the faces in a frame, shape (H, W, 3) uint8."""
        model = self._model
        picture, scale = self._letterbox.fit(frame_bgr)
        outputs = model.invoke(picture)
        scores = outputs.scores.column()
        cells = boxes.strongest(scores, score_min=self._score_min, most=_CELLS_MAX)
        found = boxes.decode(outputs.distances.rows(cells), cells, model.grid) / np.float32(scale)
        height, width = frame_bgr.shape[:2]
        found = found.clip(0, np.array([width, height, width, height], np.float32))
        has_area = (found[:, 2:] > found[:, :2]).all(axis=1)
        found, cells = found[has_area], cells[has_area]
        kept = boxes.suppress(found, iou_max=model.manifest.nms_iou)
        probabilities = outputs.classes.rows(cells[kept])
        return Faces(
            found[kept],
            scores[cells[kept]],
            probabilities,
            model.manifest.labels,
            judge(probabilities, model.manifest.labels, sure_from=model.manifest.unsure_below),
        )


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
