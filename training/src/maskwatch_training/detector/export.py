"""From trained weights to the network that ships: batch norm folded, answers as probabilities."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeVar

import torch
from torch import Tensor, nn
from torch.nn import functional

from maskwatch_training.checkpoint import State
from maskwatch_training.detector.network import BN_EPSILON, Detector, FoldedConv, Head, Raw
from maskwatch_training.labels import LABELS

OUTPUTS = ("scores", "boxes", "classes")
_Network = TypeVar("_Network", bound=nn.Module)


@dataclass(frozen=True)
class Adjustment:
    """What is changed in the logits of the classes after training.

    `bad_mask_logit` is added to the logit of bad_mask, a rare class in training; all of them are
    then divided by `temperature`.
    """

    bad_mask_logit: float = 0.0
    temperature: float = 1.0


class Folded(nn.Module):
    """A plain convolution that gives what a FoldedConv gives."""

    def __init__(self, layer: FoldedConv) -> None:
        super().__init__()
        factor = layer.gain * torch.rsqrt(layer.variance + BN_EPSILON)
        self.edges = (layer.before, layer.after, layer.before, layer.after)
        is_even = layer.before == layer.after
        outputs, inputs, kernel, _ = layer.weight.shape
        self.pads = not is_even
        self.conv = nn.Conv2d(
            inputs * layer.groups,
            outputs,
            kernel,
            stride=layer.stride,
            padding=layer.before if is_even else 0,
            groups=layer.groups,
        )
        assert self.conv.bias is not None
        with torch.no_grad():
            self.conv.weight.copy_(layer.weight * factor[:, None, None, None])
            self.conv.bias.copy_(layer.shift - layer.mean * factor)

    def forward(self, images: Tensor) -> Tensor:
        """Convolve (B, C, H, W)."""
        padded = functional.pad(images, self.edges) if self.pads else images
        answer: Tensor = self.conv(padded)
        return answer


class ChannelsFirst(nn.Module):
    """The network that ships.

    It takes (1, 3, S, S) RGB 0..255 and gives scores (1, N, 1), boxes (1, N, 4) in strides and
    class probabilities (1, N, 3).
    """

    def __init__(self, network: Detector) -> None:
        super().__init__()
        self.network = network

    def forward(self, images: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Judge a picture."""
        return _answers(self.network(images))


class ChannelsLast(nn.Module):
    """The same network for (1, S, S, 3)."""

    def __init__(self, shipped: ChannelsFirst) -> None:
        super().__init__()
        self.network = copy.deepcopy(shipped.network)
        stem = self.network.backbone.stem
        assert isinstance(stem, Folded)
        stem.pads = False

    def forward(self, images: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Judge a picture."""
        # Padded here, channels last: inside the stem the converter would transpose twice for it.
        padded = functional.pad((images - 127.0) / 128.0, (0, 0, 0, 1, 0, 1))
        return _answers(self.network.judge(padded.permute(0, 3, 1, 2)))


def _answers(raw: Raw) -> tuple[Tensor, Tensor, Tensor]:
    return torch.sigmoid(raw.scores), raw.boxes, torch.softmax(raw.classes, dim=-1)


def deployable(weights: State, widths: Sequence[int], adjustment: Adjustment) -> ChannelsFirst:
    """Build the network that ships from trained weights."""
    network = Detector(widths)
    network.load_state_dict(weights)
    network.eval()
    with torch.no_grad():
        for head in network.heads:
            assert isinstance(head, Head)
            assert head.classes.bias is not None
            head.classes.bias[LABELS.index("bad_mask")] += adjustment.bad_mask_logit
            head.classes.bias.div_(adjustment.temperature)
            head.classes.weight.div_(adjustment.temperature)
    return ChannelsFirst(fold(network)).eval()


def fold(network: _Network) -> _Network:
    """Give a copy of the network (in evaluation mode) without any batch norm."""
    folded = copy.deepcopy(network)
    for parent in list(folded.modules()):
        for name, child in list(parent.named_children()):
            if isinstance(child, FoldedConv):
                setattr(parent, name, Folded(child))
        if isinstance(parent, nn.Sequential):
            _fuse(parent)
    return folded


def _fuse(layers: nn.Sequential) -> None:
    for index in range(len(layers) - 1):
        conv, norm = layers[index], layers[index + 1]
        if isinstance(conv, nn.Conv2d) and isinstance(norm, nn.BatchNorm2d):
            layers[index] = nn.utils.fuse_conv_bn_eval(conv, norm)
            layers[index + 1] = nn.Identity()
