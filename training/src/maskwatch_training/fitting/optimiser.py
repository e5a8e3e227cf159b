"""The optimiser of a run, and how its learning rate goes."""

from __future__ import annotations

import math
from collections.abc import Callable

from torch import Tensor, nn, optim

from maskwatch_training.recipes import Optimiser


def rate_share(step: int, progress: float, settings: Optimiser) -> float:
    """Share of the full learning rate: linear warm-up by steps, cosine by elapsed time.

    Args:
        step: Steps taken so far.
        progress: Share of the run's time that is spent, in [0, 1].
        settings: Of the recipe.
    """
    cosine = 0.5 * (1 + math.cos(math.pi * progress))
    warm = min(1.0, (step + 1) / max(1, settings.warm_up_steps))
    return warm * (settings.final_share + (1 - settings.final_share) * cosine)


def build(
    network: nn.Module, settings: Optimiser, is_backbone: Callable[[str], bool]
) -> optim.AdamW:
    """Build AdamW for what can learn, by the names of the parameters.

    The backbone has a rate of its own; gains and shifts do not decay. The groups come in the order
    of their first parameters, on which the checkpoints that exist rely.
    """
    groups: dict[tuple[bool, bool], list[Tensor]] = {}
    for name, parameter in network.named_parameters():
        if parameter.requires_grad:
            key = (is_backbone(name), parameter.ndim > 1)
            groups.setdefault(key, []).append(parameter)
    return optim.AdamW(
        [
            {
                "params": parameters,
                "full_rate": settings.backbone_rate if in_backbone else settings.head_rate,
                "weight_decay": settings.weight_decay if is_weight else 0.0,
            }
            for (in_backbone, is_weight), parameters in groups.items()
        ],
        lr=settings.head_rate,
    )


def set_rate(optimiser: optim.Optimizer, share: float) -> None:
    """Set the learning rate of every group to a share of its full one."""
    for group in optimiser.param_groups:
        group["lr"] = group["full_rate"] * share
