"""A recipe: everything that decides how one classifier is trained."""

from __future__ import annotations

from pathlib import Path
from typing import Literal, Self

from pydantic import Field, model_validator

from maskwatch_training import recipes
from maskwatch_training.labels import LABELS
from maskwatch_training.recipes import Part, Training

NO_FACE = "no_face"


class Input(Part):
    """The square cut that the network sees."""

    size_px: int = Field(ge=32, le=512, multiple_of=16)
    colour: Literal["RGB", "GREY"]

    @property
    def channels(self) -> int:
        """Samples a pixel."""
        return 3 if self.colour == "RGB" else 1


class EfficientNet(Part):
    """The first blocks of EfficientNet-Lite0, from ImageNet weights.

    The stem and the first `frozen_blocks` keep them; 0 freezes nothing.
    """

    kind: Literal["efficientnet_lite0"]
    blocks: int = Field(ge=3, le=16)
    frozen_blocks: int = Field(ge=0, le=15)
    head_channels: int = Field(ge=8)
    dropout: float = Field(ge=0, lt=1)


class MobileNet(Part):
    """MobileNetV2 from random weights.

    `stages` holds expansion, channels before `width`, repeats and stride of each group of blocks.
    """

    kind: Literal["mobilenet_v2"]
    width: float = Field(gt=0, le=1)
    stages: list[tuple[int, int, int, int]] = Field(min_length=1)
    head_channels: int = Field(ge=8)
    dropout: float = Field(ge=0, lt=1)


class Draws(Part):
    """Shares in [0, 1] of the training cuts to which something happens."""

    tight: float = Field(ge=0, le=1)
    door: float = Field(ge=0, le=1)
    low_resolution: float = Field(ge=0, le=1)
    occlusion: float = Field(ge=0, le=1)
    rotation: float = Field(ge=0, le=1)
    light: float = Field(ge=0, le=1)


class NoFace(Part):
    """Where cuts without a face come from: drawn boxes, and false alarms of a detector."""

    datasets: list[str] = Field(min_length=1)
    cuts_a_photo: int = Field(ge=1)
    alarm_share: float = Field(ge=0, le=1)
    alarm_score_min: float = Field(gt=0, lt=1)
    alarm_score_max: float = Field(gt=0, le=1)


class Recipe(Training):
    """One training run of the classifier.

    `labels` are the outputs in their order, each with its share of the training cuts; a face with
    another label is left out. `int8` says whether the quantised file keeps float input and output
    (inside) or is for a microcontroller, with a C array beside it (whole). `detector` is a path
    relative to the recipe's folder.
    """

    task: Literal["mask_classifier"]
    name: str = Field(min_length=1, pattern=r"^[A-Za-z0-9._-]+$")
    batch_size: int = Field(ge=2)
    input: Input
    margin: float = Field(ge=0, le=2)
    labels: dict[Literal["mask", "no_mask", "bad_mask", "no_face"], float]
    network: EfficientNet | MobileNet = Field(discriminator="kind")
    no_face: NoFace
    detector: Path
    draws: Draws
    least_side_px: float = Field(ge=2)
    label_smoothing: float = Field(ge=0, lt=1)
    int8: Literal["inside", "whole"]

    @model_validator(mode="after")
    def _check(self) -> Self:
        if NO_FACE not in self.labels or not {"mask", "no_mask"} <= set(self.labels):
            raise ValueError("labels must hold mask, no_mask and no_face")
        if min(self.labels.values()) <= 0:
            raise ValueError("labels: every share must be above 0")
        unknown = set(self.no_face.datasets) - set(self.datasets)
        if unknown:
            raise ValueError(f"no_face.datasets: {sorted(unknown)} not among datasets")
        if self.network.kind == "efficientnet_lite0":
            if self.input.colour != "RGB":
                raise ValueError("input.colour: efficientnet_lite0 needs RGB")
            if self.network.frozen_blocks >= self.network.blocks:
                raise ValueError("network.frozen_blocks: must be fewer than network.blocks")
        return self

    @property
    def names(self) -> tuple[str, ...]:
        """The labels in the order of the output."""
        return tuple(self.labels)

    def index(self, face_label: int) -> int | None:
        """Give the output that an index into LABELS belongs to; None if the recipe has none."""
        name = LABELS[face_label]
        return self.names.index(name) if name in self.names else None


def read(path: Path) -> Recipe:
    """Read a recipe file; its `detector` becomes a path that can be opened from anywhere.

    Raises:
        InvalidRecipe: The file is no YAML mapping, or a field is missing, unknown or senseless.
    """
    plan = recipes.read(path, Recipe)
    return plan.model_copy(update={"detector": (path.parent / plan.detector).resolve()})
