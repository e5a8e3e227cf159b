"""From a checkpoint to a .tflite file: float32, or int8 with float outputs."""

from __future__ import annotations

import copy
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TypeVar

import litert_torch
import numpy as np
import torch
from ai_edge_quantizer import quantizer
from ai_edge_quantizer import recipe as quantizer_recipe
from ai_edge_quantizer.algorithm_manager import AlgorithmName
from ai_edge_quantizer.qtyping import TFLOperationName
from torch import Tensor, nn
from torch.nn import functional

from maskwatch_training.arrays import Image
from maskwatch_training.checkpoint import State
from maskwatch_training.detector.network import BN_EPSILON, Detector, FoldedConv, Head, Raw
from maskwatch_training.labels import LABELS

_CALIBRATION_THREADS = 2
_Network = TypeVar("_Network", bound=nn.Module)
# Scopes as the converter names them: modules of the pyramid and the heads, and the additions that
# belong to no module.
_PYRAMID_AND_HEADS = "_Separable_|Head_|Sequential_"
_FLOAT_OPERATIONS = (
    (".*", TFLOperationName.INPUT),
    (".*", TFLOperationName.OUTPUT),
    (".*", TFLOperationName.SUB),
    (".*", TFLOperationName.RESHAPE),
    (".*", TFLOperationName.CONCATENATION),
    (".*", TFLOperationName.LOGISTIC),
    (".*", TFLOperationName.SOFTMAX),
    (".*", TFLOperationName.RESIZE_BILINEAR),
    (r"export\._Deployed;\d+", TFLOperationName.ADD),
    (_PYRAMID_AND_HEADS, TFLOperationName.CONV_2D),
    (_PYRAMID_AND_HEADS, TFLOperationName.DEPTHWISE_CONV_2D),
)


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


class _Deployed(nn.Module):
    def __init__(self, network: Detector) -> None:
        super().__init__()
        self.network = network
        stem = network.backbone.stem
        assert isinstance(stem, Folded)
        stem.pads = False

    def forward(self, images: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        # Padded here, channels last: inside the stem the converter would transpose twice for it.
        padded = functional.pad((images - 127.0) / 128.0, (0, 0, 0, 1, 0, 1))
        raw: Raw = self.network.judge(padded.permute(0, 3, 1, 2))
        return torch.sigmoid(raw.scores), raw.boxes, torch.softmax(raw.classes, dim=-1)


def deployable(weights: State, widths: Sequence[int], *, bad_mask_logit: float) -> nn.Module:
    """Build the network that is shipped: batch norm folded, sigmoid and softmax inside.

    `bad_mask_logit` is added to the logit of bad_mask, a rare class in training.

    It takes (1, S, S, 3) RGB 0..255 and gives scores (1, N, 1), boxes (1, N, 4) in strides and
    class probabilities (1, N, 3).
    """
    network = Detector(widths)
    network.load_state_dict(weights)
    network.eval()
    with torch.no_grad():
        for head in network.heads:
            assert isinstance(head, Head)
            assert head.classes.bias is not None
            head.classes.bias[LABELS.index("bad_mask")] += bad_mask_logit
    return _Deployed(fold(network)).eval()


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


def to_tflite(module: nn.Module, path: Path, *, size_px: int) -> None:
    """Write the float32 model; input (1, S, S, 3) RGB 0..255."""
    sample = (torch.zeros(1, size_px, size_px, 3),)
    litert_torch.convert(module, sample).export(str(path))


def to_int8(float_path: Path, path: Path, pictures: Iterable[Image]) -> None:
    """Quantise the backbone, with pictures (S, S, 3) to take the ranges from.

    Input, outputs, pyramid and heads stay float: in int8 they cost another point and a half of AP50
    on the validation photos and save 1 ms of 13.
    """
    worker = quantizer.Quantizer(str(float_path), _int8_rules())
    samples = [{"args_0": picture[None].astype(np.float32)} for picture in pictures]
    ranges = worker.calibrate({"serving_default": samples}, num_threads=_CALIBRATION_THREADS)
    worker.quantize(ranges).export_model(str(path), overwrite=True)


def _int8_rules() -> list[dict[str, object]]:
    rules: list[dict[str, object]] = list(quantizer_recipe.static_wi8_ai8())
    for regex, operation in _FLOAT_OPERATIONS:
        rules.append(
            {"regex": regex, "operation": operation, "algorithm_key": AlgorithmName.NO_QUANTIZE}
        )
    return rules
