"""The detector: EfficientNet-Lite0, a feature pyramid, one head a level."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional

from maskwatch_training.detector.widths import FULL_WIDTHS
from maskwatch_training.labels import LABELS

# Kernel, stride and outputs of each block, Liu et al. 2020, EfficientNet-Lite0.
_BLOCKS = (
    (3, 1, 16),
    (3, 2, 24), (3, 1, 24),
    (5, 2, 40), (5, 1, 40),
    (3, 2, 80), (3, 1, 80), (3, 1, 80),
    (5, 1, 112), (5, 1, 112), (5, 1, 112),
    (5, 2, 192), (5, 1, 192), (5, 1, 192), (5, 1, 192),
    (3, 1, 320),
)  # fmt: skip
_TAPS = (2, 4, 10, 15)  # last block of strides 4, 8, 16, 32
_TAP_CHANNELS = (24, 40, 112, 320)
_PYRAMID_CHANNELS = 48
_HEAD_CHANNELS = (48, 64, 96, 128)
BN_EPSILON = 1e-3
_SCORE_PRIOR_LOGIT = -4.6  # sigmoid = .01: at the start nearly every cell is background


class FoldedConv(nn.Module):
    """A convolution whose frozen batch-norm statistics are folded in on the fly.

    Weight, gain and shift train; mean and variance stay those of the pretraining. Padding is
    "same" in the TensorFlow way the weights were trained with (the odd pixel right and below).
    """

    mean: Tensor
    variance: Tensor

    def __init__(self, shape: tuple[int, int, int], *, stride: int = 1, groups: int = 1) -> None:
        super().__init__()
        inputs, outputs, kernel = shape
        self.weight = nn.Parameter(torch.empty(outputs, inputs // groups, kernel, kernel))
        nn.init.kaiming_normal_(self.weight, mode="fan_out")
        self.gain = nn.Parameter(torch.ones(outputs))
        self.shift = nn.Parameter(torch.zeros(outputs))
        self.register_buffer("mean", torch.zeros(outputs))
        self.register_buffer("variance", torch.ones(outputs))
        self.stride, self.groups = stride, groups
        total = max(kernel - stride, 0)
        self.before, self.after = total // 2, total - total // 2

    def forward(self, images: Tensor) -> Tensor:
        """Convolve (B, C, H, W)."""
        factor = self.gain * torch.rsqrt(self.variance + BN_EPSILON)
        weight = self.weight * factor[:, None, None, None]
        bias = self.shift - self.mean * factor
        padding = self.before
        if self.before != self.after:
            edges = (self.before, self.after, self.before, self.after)
            images, padding = functional.pad(images, edges), 0
        return functional.conv2d(images, weight, bias, self.stride, padding, 1, self.groups)


class InvertedResidual(nn.Module):
    """Expand, filter each channel, project; added to its input where the shapes agree."""

    def __init__(
        self, channels: tuple[int, int, int], *, kernel: int, stride: int, expands: bool
    ) -> None:
        super().__init__()
        inputs, inner, outputs = channels
        self.expand = FoldedConv((inputs, inner, 1)) if expands else None
        self.depthwise = FoldedConv((inner, inner, kernel), stride=stride, groups=inner)
        self.project = FoldedConv((inner, outputs, 1))
        self.is_residual = stride == 1 and inputs == outputs

    def forward(self, images: Tensor) -> Tensor:
        """Map (B, inputs, H, W) to (B, outputs, H / stride, W / stride)."""
        inner = (
            images if self.expand is None else functional.relu6(self.expand(images), inplace=True)
        )
        outputs: Tensor = self.project(functional.relu6(self.depthwise(inner), inplace=True))
        return images + outputs if self.is_residual else outputs


class Backbone(nn.Module):
    """EfficientNet-Lite0 without its classifier.

    Args:
        widths: Inner channels of each block; 0 leaves a block with a residual out. The first is
            the stem's as well.
    """

    def __init__(self, widths: Sequence[int] = FULL_WIDTHS) -> None:
        super().__init__()
        self.stem = FoldedConv((3, widths[0], 3), stride=2)
        blocks: list[nn.Module] = []
        inputs = widths[0]
        for index, (width, (kernel, stride, outputs)) in enumerate(
            zip(widths, _BLOCKS, strict=True)
        ):
            if width:
                channels = (inputs, width, outputs)
                block = InvertedResidual(channels, kernel=kernel, stride=stride, expands=index > 0)
                blocks.append(block)
            elif stride == 1 and inputs == outputs:
                blocks.append(nn.Identity())
            else:
                raise ValueError(f"widths[{index}]: this block has no residual and cannot be 0")
            inputs = outputs
        self.blocks = nn.ModuleList(blocks)

    def forward(self, images: Tensor) -> list[Tensor]:
        """Give the feature maps at strides 4, 8, 16 and 32 of normalised (B, 3, H, W)."""
        features = functional.relu6(self.stem(images), inplace=True)
        taps = []
        for index, block in enumerate(self.blocks):
            features = block(features)
            if index in _TAPS:
                taps.append(features)
        return taps


class _Separable(nn.Sequential):
    """Depthwise, then pointwise convolution, each with batch norm, then ReLU6."""

    def __init__(self, inputs: int, outputs: int, *, kernel: int) -> None:
        super().__init__(
            nn.Conv2d(inputs, inputs, kernel, padding=kernel // 2, groups=inputs, bias=False),
            nn.BatchNorm2d(inputs),
            nn.Conv2d(inputs, outputs, 1, bias=False),
            nn.BatchNorm2d(outputs),
            nn.ReLU6(inplace=True),
        )


class Head(nn.Module):
    """Score, box and class of every cell of one level."""

    def __init__(self, channels: int, *, is_finest: bool) -> None:
        super().__init__()
        first = _Separable(_PYRAMID_CHANNELS, channels, kernel=3)
        # The finest level has most of the cells: one layer keeps it cheap.
        self.tower = (
            first if is_finest else nn.Sequential(first, _Separable(channels, channels, kernel=5))
        )
        self.score = nn.Conv2d(channels, 1, 1)
        self.box = nn.Conv2d(channels, 4, 1)
        self.classes = nn.Conv2d(channels, len(LABELS), 1)
        for layer, bias in ((self.score, _SCORE_PRIOR_LOGIT), (self.box, 2.0), (self.classes, 0.0)):
            nn.init.normal_(layer.weight, std=0.01)
            nn.init.constant_(layer.bias, bias)  # type: ignore[arg-type]

    def forward(self, features: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Judge a map of the pyramid (B, C, H, W); classes and scores as logits."""
        inner = self.tower(features)
        return self.score(inner), functional.relu(self.box(inner)), self.classes(inner)


@dataclass(frozen=True)
class Raw:
    """What the network says of every cell, before sigmoid and softmax.

    `scores` (B, N, 1) logits; `boxes` (B, N, 4) distances left, top, right, bottom from the cell
    centre in strides of the level, >= 0; `classes` (B, N, 3) logits.
    """

    scores: Tensor
    boxes: Tensor
    classes: Tensor


class Detector(nn.Module):
    """Face detector with the mask judged in the same pass."""

    def __init__(self, widths: Sequence[int] = FULL_WIDTHS) -> None:
        super().__init__()
        self.backbone = Backbone(widths)
        self.laterals = nn.ModuleList(
            nn.Sequential(
                nn.Conv2d(channels, _PYRAMID_CHANNELS, 1, bias=False),
                nn.BatchNorm2d(_PYRAMID_CHANNELS),
            )
            for channels in _TAP_CHANNELS
        )
        self.smooths = nn.ModuleList(
            _Separable(_PYRAMID_CHANNELS, _PYRAMID_CHANNELS, kernel=3) for _ in _TAP_CHANNELS[:-1]
        )
        self.heads = nn.ModuleList(
            Head(channels, is_finest=index == 0) for index, channels in enumerate(_HEAD_CHANNELS)
        )

    def pyramid(self, images: Tensor) -> list[Tensor]:
        """Give the four maps of the feature pyramid, finest first."""
        taps = self.backbone(images)
        maps = [lateral(tap) for lateral, tap in zip(self.laterals, taps, strict=True)]
        for index in (2, 1, 0):
            coarse = functional.interpolate(maps[index + 1], scale_factor=2.0, mode="bilinear")
            maps[index] = self.smooths[index](maps[index] + coarse)
        return maps

    def forward(self, images: Tensor) -> Raw:
        """Judge RGB images (B, 3, H, W) in 0..255."""
        return self.judge((images - 127.0) / 128.0)

    def judge(self, normalised: Tensor) -> Raw:
        """Judge images (B, 3, H, W) that are normalised already."""
        answers = [head(m) for head, m in zip(self.heads, self.pyramid(normalised), strict=True)]
        scores, boxes, classes = (_by_cell(maps) for maps in zip(*answers, strict=True))
        return Raw(scores=scores, boxes=boxes, classes=classes)


def _by_cell(maps: tuple[Tensor, ...]) -> Tensor:
    rows = [m.permute(0, 2, 3, 1).reshape(m.shape[0], -1, m.shape[1]) for m in maps]
    return torch.cat(rows, dim=1)
