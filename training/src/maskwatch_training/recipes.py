"""What every recipe shares: how it is read, and the fields of each training run."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, TypeVar

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError

_FAULTS_SHOWN = 8


class InvalidRecipe(ValueError):  # noqa: N818 - named for what is wrong, as all our errors are
    """A recipe file does not say what its step needs; the message names file and field."""


class Part(BaseModel):
    """A part of a recipe: nothing changes it, and no field but its own is allowed."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class Validation(Part):
    """Shares of the groups that are held back, where the data folder holds no split of its own."""

    share: float = Field(gt=0, lt=1)
    faceless_share: float = Field(gt=0, lt=1)


class Optimiser(Part):
    """AdamW with warm-up and a cosine over the elapsed time; rates are per step."""

    head_rate: float = Field(gt=0)
    backbone_rate: float = Field(gt=0)
    weight_decay: float = Field(ge=0)
    warm_up_steps: int = Field(ge=0)
    final_share: float = Field(gt=0, le=1)
    clip_norm: float = Field(gt=0)
    ema: float = Field(gt=0, lt=1)


class Training(Part):
    """What decides a training run, whatever the model.

    `datasets` says how often a picture of each annotation file is drawn, relative to the others.
    """

    name: str = Field(min_length=1)
    seed: int
    minutes: float = Field(gt=0)
    threads: int = Field(ge=1)
    batch_size: int = Field(ge=1)
    validation: Validation
    datasets: dict[str, float]
    optimiser: Optimiser
    checkpoint_every_minutes: float = Field(gt=0)


Kind = TypeVar("Kind", bound=Part)


def read(path: Path, kind: type[Kind]) -> Kind:
    """Read a recipe file.

    Raises:
        InvalidRecipe: The file is no YAML mapping, or a field is missing, unknown or senseless.
    """
    return check(entries(path), kind, path)


def entries(path: Path) -> dict[str, Any]:
    """Read the fields of a recipe file, unchecked.

    Raises:
        InvalidRecipe: The file is no YAML mapping.
    """
    try:
        found = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise InvalidRecipe(f"{path}: {' '.join(str(error).split())}") from error
    if not isinstance(found, dict):
        raise InvalidRecipe(f"{path}: is no mapping of names to values")
    return found


def check(fields: Mapping[str, Any], kind: type[Kind], path: Path) -> Kind:
    """Make a recipe of its fields; `path` is for the message.

    Raises:
        InvalidRecipe: A field is missing, unknown or senseless.
    """
    try:
        return kind.model_validate(fields)
    except ValidationError as error:
        faults = "; ".join(_described(fault) for fault in error.errors()[:_FAULTS_SHOWN])
        raise InvalidRecipe(f"{path}: {faults}") from error


def _described(fault: Any) -> str:
    field = ".".join(map(str, fault["loc"]))
    said = fault["msg"].removeprefix("Value error, ")
    return f"{field}: {said}" if field else said
