"""The running average of a network's weights: what is measured and shipped."""

from __future__ import annotations

import torch
from torch import nn

from maskwatch_training.checkpoint import State


def copied(network: nn.Module) -> State:
    """Copy the weights, as the average begins."""
    return {name: value.clone() for name, value in network.state_dict().items()}


def keep(step: int, settled: float) -> float:
    """Share of the average that a step leaves as it was: little at first, `settled` in the end."""
    return min(settled, (1 + step) / (10 + step))


@torch.no_grad()
def update(averaged: State, network: nn.Module, kept: float) -> None:
    """Move an average towards the weights; what is counted, not learnt, is taken over."""
    for name, value in network.state_dict().items():
        if value.is_floating_point():
            averaged[name].lerp_(value, 1 - kept)
        else:
            averaged[name].copy_(value)
