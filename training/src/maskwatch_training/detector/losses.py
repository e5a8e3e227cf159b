"""Losses of the detector."""

from __future__ import annotations

from dataclasses import dataclass, replace

import torch
from torch import Tensor
from torch.nn import functional

from maskwatch_training.detector.network import Raw
from maskwatch_training.detector.recipe import LossWeights
from maskwatch_training.labels import LABELS

_SURE_OF_A_FACE = 0.4
_WORTH_COPYING = 0.2


@dataclass(frozen=True)
class BatchTargets:
    """Targets of B images, as in `targets.Targets` with a leading axis."""

    heat: Tensor
    counts: Tensor
    boxes: Tensor
    weights: Tensor
    labels: Tensor


@dataclass(frozen=True)
class Losses:
    """Scalars, each a mean over the faces of the batch; `imitation` is 0 without a teacher."""

    focal: Tensor
    giou: Tensor
    classes: Tensor
    imitation: Tensor

    def total(self, weights: LossWeights) -> Tensor:
        """Add them up with the recipe's weights."""
        return (
            self.focal
            + weights.giou * self.giou
            + weights.classes * self.classes
            + weights.imitation * self.imitation
        )


def losses(
    raw: Raw, targets: BatchTargets, *, bad_mask_weight: float, teacher: Raw | None = None
) -> Losses:
    """Compare the network's answers with the targets, and with a teacher's if there is one."""
    if teacher is not None:
        targets = doubt(targets, teacher)
    faces = targets.heat.eq(1.0).sum().clamp(min=1)
    focal = focal_loss(raw.scores[..., 0], targets) / faces
    positive = targets.weights > 0
    weights = targets.weights[positive]
    total = weights.sum().clamp(min=1.0)
    gious = giou(raw.boxes[positive], targets.boxes[positive])
    by_class = torch.ones(len(LABELS))
    by_class[LABELS.index("bad_mask")] = bad_mask_weight
    entropy = functional.cross_entropy(
        raw.classes[positive], targets.labels[positive], weight=by_class, reduction="none"
    )
    return Losses(
        focal,
        ((1 - gious) * weights).sum() / total,
        (entropy * weights).sum() / total,
        torch.zeros(()) if teacher is None else imitation(raw, teacher) / faces,
    )


def doubt(targets: BatchTargets, teacher: Raw) -> BatchTargets:
    """Leave cells out where the teacher is fairly sure of a face that nobody annotated."""
    unannotated = (targets.heat == 0) & (torch.sigmoid(teacher.scores[..., 0]) > _SURE_OF_A_FACE)
    return replace(targets, counts=targets.counts & ~unannotated)


def imitation(raw: Raw, teacher: Raw) -> Tensor:
    """Sum over all cells how far the answers are from the teacher's.

    The score's cross-entropy counts where the two differ (Li et al., Generalized Focal Loss,
    NeurIPS 2020); boxes and classes count as much as the teacher believes in a face there.
    """
    wanted = torch.sigmoid(teacher.scores[..., 0])
    logits = raw.scores[..., 0]
    apart = (torch.sigmoid(logits).detach() - wanted) ** 2
    score = functional.binary_cross_entropy_with_logits(logits, wanted, reduction="none") * apart
    seen = wanted > _WORTH_COPYING
    trust = wanted[seen]
    box = (1 - giou(raw.boxes[seen], teacher.boxes[seen])) * trust
    believed = torch.softmax(teacher.classes[seen], dim=-1)
    classes = functional.cross_entropy(raw.classes[seen], believed, reduction="none") * trust
    # Several cells of the Gaussian are worth copying for each face; a third keeps them in step
    # with the losses on the truth.
    return score.sum() + (2 * box.sum() + classes.sum()) / 3


def focal_loss(logits: Tensor, targets: BatchTargets) -> Tensor:
    """Sum the penalty-reduced focal loss of a heat map over (B, N) cells that count.

    Source: Law and Deng, CornerNet, ECCV 2018.
    """
    score = torch.sigmoid(logits)
    log_face, log_background = functional.logsigmoid(logits), functional.logsigmoid(-logits)
    is_face = targets.heat.eq(1.0)
    face = (1 - score) ** 2 * log_face
    background = (1 - targets.heat) ** 4 * score**2 * log_background
    return -(torch.where(is_face, face, background) * targets.counts).sum()


def giou(predicted: Tensor, truth: Tensor) -> Tensor:
    """Generalised IoU of boxes (K, 4) given as distances from one point; (K,) in (-1, 1].

    Source: Rezatofighi et al., Generalized Intersection over Union, CVPR 2019.
    """
    inner, outer = torch.minimum(predicted, truth), torch.maximum(predicted, truth)
    # The point may lie outside the truth (a negative distance) for cells at a Gaussian's rim.
    intersection = _width_times_height(inner)
    union = _width_times_height(predicted) + _width_times_height(truth) - intersection
    hull = _width_times_height(outer).clamp(min=1e-6)
    return intersection / union.clamp(min=1e-6) - (hull - union) / hull


def _width_times_height(distances: Tensor) -> Tensor:
    sides = (distances[:, :2] + distances[:, 2:]).clamp(min=0)
    return sides[:, 0] * sides[:, 1]
