"""A case of the fault suite, and what it reports while it runs."""

import random
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, TypeVar

import pytest

F = TypeVar("F", bound=Callable[..., Any])


@dataclass(frozen=True)
class Case:
    """A row of the list of faults.

    Attributes:
        number: Such as ``F9``.
        text: The fault, as the table tells it.
        rounds: How often a run injects it at least, where the case repeats it.
    """

    number: str
    text: str
    rounds: int = 1


def case(number: str, text: str, *, rounds: int = 1) -> Callable[[F], F]:
    """Make a test a case: it takes the fixture `fault`, and runs once for each seed."""

    def decorate(test: F) -> F:
        marked: F = pytest.mark.case.with_args(Case(number, text, rounds))(test)
        return marked

    return decorate


@dataclass(frozen=True)
class Measured:
    """A figure of a case, and the limits that were promised for it, if any."""

    name: str
    value: float
    unit: str
    at_most: float | None = None
    at_least: float | None = None

    @property
    def is_kept(self) -> bool:
        below = self.at_most is None or self.value <= self.at_most
        return below and (self.at_least is None or self.value >= self.at_least)


@dataclass
class Fault:
    """What one run of a case draws from, and where it reports; the fixture `fault`.

    Attributes:
        is_whole: Whether the case runs at the size of its row, or shortened.
        random: Seeded by case and seed: every choice of the case comes from here.
        counts: What was injected, how often.
        recovery_s: Seconds from healed to settled; None before.
        events: How many events were made.
        verdict: The checker's report, a few lines.
        counter_example: The first one; empty for a clean run.
    """

    case: Case
    seed: int
    is_whole: bool = False
    counts: Counter[str] = field(default_factory=Counter)
    measures: list[Measured] = field(default_factory=list)
    recovery_s: float | None = None
    events: int = 0
    verdict: str = ""
    counter_example: str = ""
    _healed_s: float | None = None

    def __post_init__(self) -> None:
        # The seed repeats a run; nothing secret comes from it.
        self.random = random.Random(f"{self.case.number}/{self.seed}")  # noqa: S311

    @property
    def rounds(self) -> range:
        return range(self.case.rounds)

    def injected(self, kind: str, times: int = 1) -> None:
        """Say that something was broken; a case that never says so fails."""
        self.counts[kind] += times

    def healed(self) -> None:
        """Say that nothing is broken any more: recovery counts from here."""
        self._healed_s = time.monotonic()

    def settled(self) -> None:
        """Say that everything has arrived; `AlertPath.prove` does."""
        if self._healed_s is not None and self.recovery_s is None:
            self.recovery_s = time.monotonic() - self._healed_s

    def recovered(self, seconds: float) -> None:
        """Give a recovery time that the case measured itself; the longest of a run counts."""
        self.recovery_s = max(seconds, self.recovery_s or 0.0)

    def measured(
        self,
        name: str,
        value: float,
        unit: str,
        *,
        at_most: float | None = None,
        at_least: float | None = None,
    ) -> None:
        """Report a figure; with a limit it is a bar, and one that is missed shows in the table."""
        self.measures.append(Measured(name, value, unit, at_most, at_least))
