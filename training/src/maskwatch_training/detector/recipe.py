"""A recipe: everything that decides how one model is trained."""

from __future__ import annotations

from pathlib import Path
from typing import Literal, Self

from pydantic import Field, model_validator

from maskwatch_training import recipes
from maskwatch_training.detector.widths import FULL_WIDTHS
from maskwatch_training.recipes import Part, Training


class LossWeights(Part):
    """Factors relative to the focal loss of the heat map."""

    giou: float = Field(ge=0)
    classes: float = Field(ge=0)
    bad_mask_weight: float = Field(gt=0)
    imitation: float = Field(default=0.0, ge=0)


class Draws(Part):
    """Shares in [0, 1] of the kinds of training image."""

    background: float = Field(ge=0, le=1)
    door: float = Field(ge=0, le=1)
    tight_crop: float = Field(ge=0, le=1)
    mosaic: float = Field(ge=0, le=1)
    mosaic_last_fifth: float = Field(ge=0, le=1)
    chosen_face: float = Field(ge=0, le=1)


class Recipe(Training):
    """One training run of the detector."""

    task: Literal["face_mask_detector"] = "face_mask_detector"
    input_size_px: int = Field(gt=0, multiple_of=32)
    widths: tuple[int, ...] = FULL_WIDTHS
    background_datasets: list[str]
    losses: LossWeights
    draws: Draws

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
    return recipes.read(path, Recipe)
