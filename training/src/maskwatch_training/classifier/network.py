"""The classifier's network: inverted residual blocks, mean over the cut, one linear layer."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional
from torchvision.models import MobileNetV2
from torchvision.ops import Conv2dNormActivation

from maskwatch_training.checkpoint import State
from maskwatch_training.classifier.recipe import EfficientNet, MobileNet, Recipe
from maskwatch_training.detector import pretrained
from maskwatch_training.detector.network import Backbone

_EFFICIENTNET_INPUT = (127.0, 1 / 128)  # what its ImageNet weights were trained with
_MOBILENET_INPUT = (0.0, 1 / 128)  # no shift: padding with 0 stays exact once this is folded in


class UnfitStart(ValueError):  # noqa: N818 - named for what is wrong, as all our errors are
    """A checkpoint holds no weights that the network could begin with."""


class Stem(nn.Module):
    """The first convolution of EfficientNet-Lite0 and its ReLU6."""

    def __init__(self, conv: nn.Module) -> None:
        super().__init__()
        self.conv = conv

    def forward(self, images: Tensor) -> Tensor:
        """Map (B, 3, H, W) to half the size."""
        return functional.relu6(self.conv(images), inplace=True)


class Classifier(nn.Module):
    """Judges square cuts; attributes `shift` and `scale` make its input of pixel values.

    `features` maps the scaled pixels to a coarse map, `last` judges its mean.
    """

    def __init__(
        self,
        features: nn.Sequential,
        last: nn.Linear,
        *,
        dropout: float,
        pixels: tuple[float, float],
    ) -> None:
        super().__init__()
        self.features, self.last = features, last
        self.dropout = nn.Dropout(dropout)
        self.shift, self.scale = pixels

    def forward(self, images: Tensor) -> Tensor:
        """Judge cuts (B, C, S, S) in 0..255; logits (B, labels)."""
        pixels = images - self.shift if self.shift else images
        pixels = pixels * self.scale if self.scale != 1.0 else pixels
        logits: Tensor = self.last(self.dropout(self.features(pixels).mean(dim=(2, 3))))
        return logits


def build(recipe: Recipe) -> Classifier:
    """Build the network of a recipe, with ImageNet weights where it has them."""
    if isinstance(recipe.network, EfficientNet):
        return _efficientnet(recipe.network, len(recipe.labels))
    return _mobilenet(recipe.network, len(recipe.labels), channels=recipe.input.channels)


def begin_with(classifier: Classifier, weights: State) -> int:
    """Take over what fits of a checkpoint: another classifier's, or a detector's backbone.

    A detector has learnt faces and masks already; its backbone is the same network.

    Returns:
        How many tensors were taken over, those that agree in name and shape.

    Raises:
        UnfitStart: None does.
    """
    taken: State = {}
    for name, own in classifier.state_dict().items():
        source = name if name in weights else _name_in_detector(name)
        if source in weights and weights[source].shape == own.shape:
            taken[name] = weights[source]
    if not taken:
        raise UnfitStart("the checkpoint has no weights that fit this network")
    classifier.load_state_dict(taken, strict=False)
    return len(taken)


def _name_in_detector(name: str) -> str:
    if name.startswith("features.0.conv."):
        return "backbone.stem." + name.removeprefix("features.0.conv.")
    part, index, *rest = name.split(".")
    return f"backbone.blocks.{int(index) - 1}.{'.'.join(rest)}" if part == "features" else ""


def _efficientnet(plan: EfficientNet, labels: int) -> Classifier:
    backbone = Backbone()
    pretrained.load(backbone)
    blocks = list(backbone.blocks)[: plan.blocks]
    outputs = _outputs(nn.Sequential(Stem(backbone.stem), *blocks), 3)
    head = Conv2dNormActivation(
        outputs, plan.head_channels, kernel_size=1, activation_layer=nn.ReLU6
    )
    features = nn.Sequential(Stem(backbone.stem), *blocks, head)
    if plan.frozen_blocks:
        features[: plan.frozen_blocks + 1].requires_grad_(requires_grad=False)
    last = nn.Linear(plan.head_channels, labels)
    return Classifier(features, last, dropout=plan.dropout, pixels=_EFFICIENTNET_INPUT)


def _mobilenet(plan: MobileNet, labels: int, *, channels: int) -> Classifier:
    stages = [list(stage) for stage in plan.stages]
    features = MobileNetV2(width_mult=plan.width, inverted_residual_setting=stages).features
    # The library's last convolution has 1280 channels whatever the width: most of the weights.
    last = features[-1]
    assert isinstance(last, nn.Sequential)
    assert isinstance(last[0], nn.Conv2d)
    features[-1] = Conv2dNormActivation(
        last[0].in_channels, plan.head_channels, kernel_size=1, activation_layer=nn.ReLU6
    )
    if channels != 3:
        stem = features[0]
        assert isinstance(stem, nn.Sequential)
        assert isinstance(stem[0], nn.Conv2d)
        stem[0] = nn.Conv2d(channels, stem[0].out_channels, 3, stride=2, padding=1, bias=False)
    head = nn.Linear(plan.head_channels, labels)
    return Classifier(features, head, dropout=plan.dropout, pixels=_MOBILENET_INPUT)


def _outputs(features: nn.Sequential, channels: int) -> int:
    with torch.no_grad():
        return int(features(torch.zeros(1, channels, 32, 32)).shape[1])
