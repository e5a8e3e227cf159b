"""Faces in a frame, and what each wears."""

from dataclasses import dataclass

import numpy as np

from edge_detector.vision import boxes, judgement
from edge_detector.vision.arrays import Floats, Picture
from edge_detector.vision.classifier import Classifier
from edge_detector.vision.faces import Faces
from edge_detector.vision.judgement import Answers
from edge_detector.vision.model import Model, Outputs

# A crowd on one picture; more cells than this are noise, and cost time.
_CELLS_MAX = 600
# From this share of the least score on, something may be a face: enough to hide it.
_FAINT_SHARE = 0.35


@dataclass(frozen=True, slots=True)
class Sight:
    """The faces of a frame, and every place where one may be.

    `faint_px`: xyxy in px of the frame, shape (N, 4); the faces' own boxes are among them.
    """

    faces: Faces
    faint_px: Floats


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
        outputs, fit = self._answer(frame_bgr)
        return self.revise(frame_bgr, self.read(outputs, scale=fit.scale, size_wh=fit.size_wh))

    def look(self, frame_bgr: Picture) -> Sight:
        """Return the faces in a frame, shape (H, W, 3) uint8, and what may be one."""
        outputs, fit = self._answer(frame_bgr)
        faces = self.read(outputs, scale=fit.scale, size_wh=fit.size_wh)
        faint = self._read(outputs, fit, score_min=_FAINT_SHARE * self._score_min)
        return Sight(self.revise(frame_bgr, faces), faint.xyxy_px)

    def read(self, outputs: Outputs, *, scale: float, size_wh: tuple[int, int]) -> Faces:
        """Return the faces that the model's answer speaks of: decoded, one box a face.

        Args:
            outputs: The answer to a letterboxed frame.
            scale: Of the letterbox, px of the input per px of the frame.
            size_wh: Of the frame, px.
        """
        return self._read(outputs, _Fit(scale, size_wh), score_min=self._score_min)

    def _answer(self, frame_bgr: Picture) -> tuple[Outputs, "_Fit"]:
        picture, scale = self._letterbox.fit(frame_bgr)
        height, width = frame_bgr.shape[:2]
        return self._model.invoke(picture), _Fit(scale, (width, height))

    def _read(self, outputs: Outputs, fit: "_Fit", *, score_min: float) -> Faces:
        manifest, scale, size_wh = self._model.manifest, fit.scale, fit.size_wh
        scores = outputs.scores.column()
        # Cells below the threshold vote with the others, little each: two runtimes that round a
        # score to either side of it tell the same box.
        voters = _FAINT_SHARE * score_min
        cells = boxes.strongest(scores, score_min=voters, most=_CELLS_MAX)
        distances = outputs.distances.rows(cells)
        found = boxes.decode(distances, cells, self._model.grid) / np.float32(scale)
        found = found.clip(0, np.array(size_wh * 2, np.float32))
        has_area = (found[:, 2:] > found[:, :2]).all(axis=1)
        found, cells = found[has_area], cells[has_area]
        faces = int(np.count_nonzero(scores[cells] >= score_min))
        kept = boxes.suppress(found[:faces], iou_max=manifest.nms_iou)
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


@dataclass(frozen=True, slots=True)
class _Fit:
    """How a frame lies in the model's input: px of it per px of the frame, and the frame's size."""

    scale: float
    size_wh: tuple[int, int]
