"""Makes a smaller network from a trained one: each block keeps its most important channels."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from maskwatch_training.checkpoint import State
from maskwatch_training.detector.network import BN_EPSILON

_INNER = ("expand", "depthwise")  # their outputs are the inner channels
_PER_CHANNEL = ("weight", "gain", "shift", "mean", "variance")


def prune(weights: State, widths: Sequence[int]) -> State:
    """Cut a detector's weights down to `widths` inner channels a block.

    Args:
        weights: Of a `Detector` that is as wide or wider in every block.
        widths: As `Detector` takes them; 0 leaves the block out.
    """
    pruned = dict(weights)
    for index, width in enumerate(widths):
        block = f"backbone.blocks.{index}."
        if width == 0:
            pruned = {name: value for name, value in pruned.items() if not name.startswith(block)}
        elif index > 0 and f"{block}project.weight" in weights:
            kept = _most_important(weights, block, width)
            _cut(pruned, block, kept)
    return pruned


def _most_important(weights: State, block: str, width: int) -> Tensor:
    """Give the indices of the channels to keep, in their order.

    A channel counts for what its activation does to the output: the norm of its column of the
    projection, times the size of an activation with the mean and spread that its batch norm gives.
    """
    projection = weights[f"{block}project.weight"][:, :, 0, 0]
    factor = weights[f"{block}project.gain"] * torch.rsqrt(
        weights[f"{block}project.variance"] + BN_EPSILON
    )
    effect = (projection * factor[:, None]).norm(dim=0)
    gain, shift = weights[f"{block}depthwise.gain"], weights[f"{block}depthwise.shift"]
    importance = effect * torch.sqrt(gain**2 + shift.clamp(min=0) ** 2)
    kept: Tensor = importance.topk(width).indices.sort().values
    return kept


def _cut(weights: State, block: str, kept: Tensor) -> None:
    for layer in _INNER:
        for part in _PER_CHANNEL:
            name = f"{block}{layer}.{part}"
            weights[name] = weights[name][kept].clone()
    name = f"{block}project.weight"
    weights[name] = weights[name][:, kept].clone()
