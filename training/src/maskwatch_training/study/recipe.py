"""The recipe of a study: everything that decides its figures."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError

Mode = Literal["features", "fine-tuning"]
_SECTIONS = ("quick",)  # parts of the file that are laid over the rest on demand
MODES: tuple[Mode, ...] = ("features", "fine-tuning")


class InvalidRecipe(ValueError):  # noqa: N818 - named for what is wrong, as all our errors are
    """The recipe file does not say what a study needs."""


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Split(_Part):
    """Shares of the groups that are held back, where the data is not split already."""

    validation: float = Field(gt=0, lt=0.5)
    test: float = Field(gt=0, lt=0.5)


class Crops(_Part):
    """How a face is cut: a square around its box, `margin` of the longer side more on each side."""

    margin: float = Field(ge=0, le=1)
    least_side_px: float = Field(gt=0)
    kept_side_px: int = Field(ge=32)


class Stage(_Part):
    """One one-cycle of training with early stopping; `rate` stands where the finder finds none."""

    epochs: int = Field(ge=1)
    patience: int = Field(ge=1)
    rate: float = Field(gt=0)


class RateFinder(_Part):
    """The sweep of the learning rate, geometric from `least` to `most`."""

    steps: int = Field(ge=5)
    least: float = Field(gt=0)
    most: float = Field(gt=0)


class Subset(_Part):
    """At most so many faces of each part, classes as even as they come; None takes all."""

    training: int | None = Field(default=None, ge=2)
    validation: int | None = Field(default=None, ge=2)
    test: int | None = Field(default=None, ge=2)


class Recipe(_Part):
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
    try:
        entries: Any = yaml.safe_load(path.read_text(encoding="utf-8"))
        if not isinstance(entries, dict):
            raise InvalidRecipe(f"{path}: is no mapping of names to values")
        sections = {name: entries.pop(name, None) or {} for name in _SECTIONS}
        return Recipe.model_validate(_laid_over(entries, sections[over]) if over else entries)
    except yaml.YAMLError as error:
        raise InvalidRecipe(f"{path}: {' '.join(str(error).split())}") from error
    except ValidationError as error:
        fault = error.errors()[0]
        field = ".".join(map(str, fault["loc"]))
        raise InvalidRecipe(f"{path}: {field}: {fault['msg']}") from error


def _laid_over(entries: dict[str, Any], over: dict[str, Any]) -> dict[str, Any]:
    merged = dict(entries)
    for name, value in over.items():
        below = merged.get(name)
        is_part = isinstance(value, dict) and isinstance(below, dict)
        merged[name] = _laid_over(below, value) if is_part else value  # type: ignore[arg-type]
    return merged
