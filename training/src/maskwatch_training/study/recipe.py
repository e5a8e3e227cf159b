"""The recipe of a study: everything that decides its figures."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal

from pydantic import Field

from maskwatch_training import recipes
from maskwatch_training.recipes import Part

Mode = Literal["features", "fine-tuning"]
_SECTIONS = ("quick",)  # parts of the file that are laid over the rest on demand
MODES: tuple[Mode, ...] = ("features", "fine-tuning")


class Split(Part):
    """Shares of the groups that are held back, where the data is not split already."""

    validation: float = Field(gt=0, lt=0.5)
    test: float = Field(gt=0, lt=0.5)


class Crops(Part):
    """How a face is cut: a square around its box, `margin` of the longer side more on each side."""

    margin: float = Field(ge=0, le=1)
    least_side_px: float = Field(gt=0)
    kept_side_px: int = Field(ge=32)


class Stage(Part):
    """One one-cycle of training with early stopping; `rate` stands where the finder finds none."""

    epochs: int = Field(ge=1)
    patience: int = Field(ge=1)
    rate: float = Field(gt=0)


class RateFinder(Part):
    """The sweep of the learning rate, geometric from `least` to `most`."""

    steps: int = Field(ge=5)
    least: float = Field(gt=0)
    most: float = Field(gt=0)


class Subset(Part):
    """At most so many faces of each part, classes as even as they come; None takes all."""

    training: int | None = Field(default=None, ge=2)
    validation: int | None = Field(default=None, ge=2)
    test: int | None = Field(default=None, ge=2)


class Recipe(Part):
    """A study.

    `feature_views` are the varied views of a training face, beside the plain one, from which the
    frozen backbone draws features; `backbone_rate_share` is the rate of a pretrained backbone
    relative to the head's (from random weights both learn alike).
    """

    name: str = Field(min_length=1)
    seed: int
    threads: int = Field(ge=1)
    device: Literal["auto", "cpu", "cuda"] = "auto"
    split: Split
    crops: Crops
    subset: Subset = Subset()
    input_px_max: int = Field(ge=32)
    batch_size: int = Field(ge=2)
    feature_views: int = Field(ge=0)
    head: Stage
    fine_tuning: Stage
    rate_finder: RateFinder
    backbone_rate_share: float = Field(gt=0, le=1)
    weight_decay: float = Field(ge=0)
    dropout: float = Field(ge=0, lt=1)
    clip_norm: float = Field(gt=0)
    calibration_bins: int = Field(ge=2)
    latency_calls: int = Field(ge=1)


def read(path: Path, *, over: str | None = None) -> Recipe:
    """Read a recipe file; the section named `over` (such as quick) is laid over the rest.

    Raises:
        InvalidRecipe: The file is no YAML mapping, or a field is missing, unknown or senseless.
    """
    fields = recipes.entries(path)
    sections = {name: fields.pop(name, None) or {} for name in _SECTIONS}
    laid = _laid_over(fields, sections[over]) if over else fields
    return recipes.check(laid, Recipe, path)


def _laid_over(entries: dict[str, Any], over: dict[str, Any]) -> dict[str, Any]:
    merged = dict(entries)
    for name, value in over.items():
        below = merged.get(name)
        is_part = isinstance(value, dict) and isinstance(below, dict)
        merged[name] = _laid_over(below, value) if is_part else value  # type: ignore[arg-type]
    return merged
