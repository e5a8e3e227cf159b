"""A recipe: everything that decides how one model is trained."""

from __future__ import annotations

from pathlib import Path
from typing import Literal, Self

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from maskwatch_training.detector.widths import FULL_WIDTHS


class InvalidRecipe(ValueError):  # noqa: N818 - named for what is wrong, as all our errors are
    """The recipe file does not say what a training run needs."""


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Validation(_Part):
    """Shares of the photos that are held back for decisions."""

    share: float = Field(gt=0, lt=1)
    faceless_share: float = Field(gt=0, lt=1)


class Optimiser(_Part):
    """AdamW with warm-up and a cosine over the elapsed time; rates are per step."""

    head_rate: float = Field(gt=0)
    backbone_rate: float = Field(gt=0)
    weight_decay: float = Field(ge=0)
    warm_up_steps: int = Field(ge=0)
    final_share: float = Field(gt=0, le=1)
    clip_norm: float = Field(gt=0)
    ema: float = Field(gt=0, lt=1)


class LossWeights(_Part):
    """Factors relative to the focal loss of the heat map."""

    giou: float = Field(ge=0)
    classes: float = Field(ge=0)
    bad_mask_weight: float = Field(gt=0)
    imitation: float = Field(default=0.0, ge=0)


class Draws(_Part):
    """Shares in [0, 1] of the kinds of training image."""

    background: float = Field(ge=0, le=1)
    door: float = Field(ge=0, le=1)
    tight_crop: float = Field(ge=0, le=1)
    mosaic: float = Field(ge=0, le=1)
    mosaic_last_fifth: float = Field(ge=0, le=1)
    chosen_face: float = Field(ge=0, le=1)


class Recipe(_Part):
    """One training run of the detector."""

    name: str = Field(min_length=1)
    task: Literal["face_mask_detector"] = "face_mask_detector"
    seed: int
    minutes: float = Field(gt=0)
    threads: int = Field(ge=1)
    input_size_px: int = Field(gt=0, multiple_of=32)
    batch_size: int = Field(ge=1)
    widths: tuple[int, ...] = FULL_WIDTHS
    validation: Validation
    datasets: dict[str, float]
    background_datasets: list[str]
    optimiser: Optimiser
    losses: LossWeights
    draws: Draws
    checkpoint_every_minutes: float = Field(gt=0)

    @model_validator(mode="after")
    def _check_widths(self) -> Self:
        if len(self.widths) != len(FULL_WIDTHS) or any(
            not 0 <= width <= full for width, full in zip(self.widths, FULL_WIDTHS, strict=True)
        ):
            raise ValueError(f"widths must be {len(FULL_WIDTHS)} numbers, none above {FULL_WIDTHS}")
        return self


def read(path: Path) -> Recipe:
    """Read a recipe file.

    Raises:
        InvalidRecipe: The file is no YAML mapping, or a field is missing, unknown or senseless.
    """
    try:
        return Recipe.model_validate(yaml.safe_load(path.read_text(encoding="utf-8")))
    except (yaml.YAMLError, ValidationError) as error:
        raise InvalidRecipe(f"{path}: {error}") from error
