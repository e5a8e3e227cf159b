"""Losses of the detector."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional

from maskwatch_training.detector.network import Raw
from maskwatch_training.detector.recipe import LossWeights
from maskwatch_training.labels import LABELS


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
    """Three scalars, each a mean over the faces of the batch."""

    focal: Tensor
    giou: Tensor
    classes: Tensor

    def total(self, weights: LossWeights) -> Tensor:
        """Add them up with the recipe's weights."""
        return self.focal + weights.giou * self.giou + weights.classes * self.classes


def losses(raw: Raw, targets: BatchTargets, *, bad_mask_weight: float) -> Losses:
    """Compare the network's answers with the targets."""
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
    return Losses(focal, ((1 - gious) * weights).sum() / total, (entropy * weights).sum() / total)


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
