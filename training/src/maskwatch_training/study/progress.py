"""Lines that say how far a study is and how long it will still take."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from maskwatch_training.study.backbones import BACKBONES
from maskwatch_training.study.recipe import Mode, Recipe

_SAY_EVERY_S = 20.0
_BACKWARD = 2.0  # times the forward pass
_NATIVE_PX = 224


@dataclass(frozen=True)
class Task:
    """One row of the study: a backbone and how it is trained."""

    backbone: str
    mode: Mode

    @property
    def name(self) -> str:
        """What its files are called."""
        return f"{self.backbone}-{self.mode}"


def passes(mode: Mode, faces: Mapping[str, int], recipe: Recipe) -> float:
    """Count the forward passes of a row, a backward pass as two; `faces` counts by part."""
    training, validation = faces["training"], faces["validation"]
    # Once more for the statistics of a backbone that starts at random.
    drawn = training * (2 + recipe.feature_views) + validation
    judged = validation + faces["test"]
    if mode == "features":
        return drawn + judged
    swept = recipe.rate_finder.steps * recipe.batch_size * (1 + _BACKWARD)
    epoch = training * (1 + _BACKWARD) + validation
    return drawn + judged + swept + recipe.fine_tuning.epochs * epoch


def effort(task: Task, faces: Mapping[str, int], recipe: Recipe) -> float:
    """Give a row's expected time in units of one ResNet18 pass at its native size."""
    backbone = BACKBONES[task.backbone]
    side_px = min(backbone.input_px, recipe.input_px_max)
    a_pass = backbone.relative_effort * (side_px / min(backbone.input_px, _NATIVE_PX)) ** 2
    return a_pass * passes(task.mode, faces, recipe)


def remaining_s(done_effort: float, elapsed_s: float, left_effort: float) -> float | None:
    """Estimate the seconds left from the speed so far; None before anything is done."""
    return left_effort * elapsed_s / done_effort if done_effort > 0 else None


def duration(seconds: float | None) -> str:
    """Write a duration for people."""
    if seconds is None:
        return "?"
    if seconds < 90:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"


class Progress:
    """Follows a study row by row.

    Args:
        efforts: Expected effort of each row that is to be run, by name, in order.
        say: Takes a line.
        clock: Seconds, monotonic.
    """

    def __init__(
        self,
        efforts: Mapping[str, float],
        *,
        say: Callable[[str], None],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._efforts = dict(efforts)
        self._say, self._clock = say, clock
        self._begun = self._said = clock()
        self._done = 0.0
        self._row, self._share, self._total = "", 0.0, 1.0

    def begin(self, row: str, passes_: float) -> None:
        """Start a row of so many passes."""
        self._row, self._share, self._total = row, 0.0, max(1.0, passes_)
        self._tell("started")

    def advance(self, done: float, what: str = "") -> None:
        """Count passes; speaks now and then."""
        self._share = min(1.0, self._share + done / self._total)
        if self._clock() - self._said >= _SAY_EVERY_S:
            self._tell(what)

    def tell(self, what: str) -> None:
        """Say something about the row at once."""
        self._tell(what)

    def end(self, how: str) -> None:
        """End the row, whatever came of it."""
        self._share = 1.0
        self._tell(how)
        self._done += self._efforts[self._row]

    def _tell(self, what: str) -> None:
        self._said = self._clock()
        names = list(self._efforts)
        done = self._done + self._share * self._efforts[self._row]
        total = sum(self._efforts.values())
        left = duration(remaining_s(done, self._said - self._begun, total - done))
        where = f"[{names.index(self._row) + 1}/{len(names)}] {self._row}"
        self._say(f"{where} {self._share:4.0%} {what}; study: {left} left")
