"""Rows of a study: what came of each backbone, kept in a file each."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Literal, TypeVar

from pydantic import BaseModel, ConfigDict, ValidationError

from maskwatch_training import record
from maskwatch_training.calibration import Reliability
from maskwatch_training.energy import Spent
from maskwatch_training.study.cost import Cost
from maskwatch_training.study.metrics import Scores
from maskwatch_training.study.progress import Task
from maskwatch_training.study.rate_finder import Sweep
from maskwatch_training.study.recipe import Mode, Recipe
from maskwatch_training.study.weights import Source

Status = Literal["planned", "running", "finished", "failed", "interrupted"]
_PLAN = "study.json"
_Kind = TypeVar("_Kind", bound=BaseModel)


class StudyUnreadable(ValueError):  # noqa: N818 - named for what is wrong, as all our errors are
    """A file of a study is missing, damaged or of another version; the message names it."""


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", ser_json_inf_nan="constants")


class Epoch(_Part):
    """One pass over the training faces; losses in nats."""

    training_loss: float
    validation_loss: float
    validation_accuracy: float


class Stage(_Part):
    """One stage of training; `best` indexes the epoch whose weights were kept."""

    name: str
    sweep: Sweep
    epochs: tuple[Epoch, ...]
    best: int
    stopped_early: bool


class Judgement(_Part):
    """Figures on the test faces; the temperature was fitted on the validation faces."""

    scores: Scores
    loss: float
    raw: Reliability
    scaled: Reliability
    temperature: float


class Row(_Part):
    """One backbone, trained one way; what is not known (yet) is None."""

    backbone: str
    mode: Mode
    status: Status
    reason: str = ""
    weights: Source | None = None
    input_px: int | None = None
    stages: tuple[Stage, ...] = ()
    judgement: Judgement | None = None
    cost: Cost | None = None
    energy: Spent | None = None
    seconds: float | None = None
    device: str = ""

    @property
    def name(self) -> str:
        """What its files are called."""
        return Task(self.backbone, self.mode).name


class Plan(_Part):
    """What a study compares: decides whether a folder can be gone on with."""

    recipe: Recipe
    is_quick: bool
    classes: tuple[str, ...]
    counts: dict[str, dict[str, int]]
    unreadable: int
    too_small: int
    left_out: tuple[str, ...]
    fingerprint: str
    tasks: tuple[Task, ...]


def write(row: Row, folder: Path) -> None:
    """Write a row's file whole or not at all."""
    place = folder / "rows"
    place.mkdir(parents=True, exist_ok=True)
    record.write_json(place / f"{row.name}.json", json.loads(row.model_dump_json()))


def write_plan(plan: Plan, folder: Path) -> None:
    """Write the plan's file."""
    folder.mkdir(parents=True, exist_ok=True)
    record.write_json(folder / _PLAN, plan.model_dump(mode="json"))


def read_plan(folder: Path) -> Plan | None:
    """Read the plan of a study; None if the folder holds none.

    Raises:
        StudyUnreadable: The file is damaged or of another version.
    """
    path = folder / _PLAN
    return _read(path, Plan) if path.is_file() else None


def read(folder: Path, task: Task) -> Row:
    """Read a row; one without a file is planned.

    A row that says it is running belongs to a process that ended without a word, unless the caller
    is that process.

    Raises:
        StudyUnreadable: The file is damaged or of another version.
    """
    path = folder / "rows" / f"{task.name}.json"
    if not path.is_file():
        return Row(backbone=task.backbone, mode=task.mode, status="planned", reason="not run yet")
    row = _read(path, Row)
    if row.status != "running":
        return row
    return row.model_copy(update={"status": "interrupted", "reason": "the process ended in it"})


def differences(old: Plan, new: Plan) -> list[str]:
    """Name what makes rows of two plans incomparable; which rows are planned is no difference."""
    names = ("recipe", "is_quick", "classes", "fingerprint")
    return [name for name in names if getattr(old, name) != getattr(new, name)]


def _read(path: Path, kind: type[_Kind]) -> _Kind:
    try:
        return kind.model_validate_json(path.read_bytes())
    except ValidationError as error:
        fault = error.errors()[0]
        field = ".".join(map(str, fault["loc"])) or "file"
        raise StudyUnreadable(f"{path}: {field}: {fault['msg']}") from error
