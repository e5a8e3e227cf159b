"""Faces in a frame, and what each wears."""

import numpy as np

from edge_detector.vision import boxes, judgement
from edge_detector.vision.arrays import Picture
from edge_detector.vision.classifier import Classifier
from edge_detector.vision.faces import Faces
from edge_detector.vision.judgement import Answers
from edge_detector.vision.model import Model, Outputs

# A crowd on one picture; more cells than this are noise, and cost time.
_CELLS_MAX = 600


class Detector:
    """Finds faces with a model and, where there is one, judges each again with a classifier.

    Args:
        model: The loaded model; used by one thread at a time.
        classifier: Likewise; None leaves judging to the model.
        score_min: From this score on something is a face; the manifest's threshold by default.
    """

    def __init__(
        self, model: Model, *, classifier: Classifier | None = None, score_min: float | None = None
    ) -> None:
        self._model = model
        self._classifier = classifier
        self._letterbox = model.letterbox()
        self._score_min = model.manifest.score_threshold if score_min is None else score_min

    def detect(self, frame_bgr: Picture) -> Faces:
        """Return the faces in a frame, shape (H, W, 3) uint8."""
        picture, scale = self._letterbox.fit(frame_bgr)
        height, width = frame_bgr.shape[:2]
        faces = self.read(self._model.invoke(picture), scale=scale, size_wh=(width, height))
        return self.revise(frame_bgr, faces)

    def read(self, outputs: Outputs, *, scale: float, size_wh: tuple[int, int]) -> Faces:
        """Return the faces that the model's answer speaks of: decoded, one box a face.

        Args:
            outputs: The answer to a letterboxed frame.
            scale: Of the letterbox, px of the input per px of the frame.
            size_wh: Of the frame, px.
        """
        manifest = self._model.manifest
        scores = outputs.scores.column()
        cells = boxes.strongest(scores, score_min=self._score_min, most=_CELLS_MAX)
        distances = outputs.distances.rows(cells)
        found = boxes.decode(distances, cells, self._model.grid) / np.float32(scale)
        found = found.clip(0, np.array(size_wh * 2, np.float32))
        has_area = (found[:, 2:] > found[:, :2]).all(axis=1)
        found, cells = found[has_area], cells[has_area]
        kept = boxes.suppress(found, iou_max=manifest.nms_iou)
        say = boxes.ballot(found, scores[cells], kept, iou_min=manifest.vote_iou)
        probabilities = say @ outputs.classes.rows(cells)
        return Faces(
            say @ found,
            scores[cells[kept]],
            probabilities,
            manifest.labels,
            judgement.judge(probabilities, manifest.labels, sure_from=manifest.unsure_below),
            np.zeros(len(kept), np.bool_),
        )

    def revise(self, frame_bgr: Picture, faces: Faces) -> Faces:
        """Return the faces as the classifier sees them too; without one, as they are."""
        if self._classifier is None:
            return faces
        manifest = self._classifier.manifest
        which = judgement.are_large(faces.xyxy_px, least_side_px=manifest.least_side_px)
        if not which.any():
            return faces
        answers = Answers(which, self._classifier.judge(frame_bgr, faces.xyxy_px[which]), manifest)
        return judgement.revise(faces, answers, score_min=self._score_min)
