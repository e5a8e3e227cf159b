"""Training, validation and test parts: by group, seeded, checked for leaks."""

from __future__ import annotations

import hashlib
import math
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any, Literal

from maskwatch_training.datasets import duplicates, labelled, leaks, sets, tally
from maskwatch_training.datasets.duplicates import Alike, Pair
from maskwatch_training.datasets.labelled import Entry
from maskwatch_training.datasets.sets import LabelledSet
from maskwatch_training.datasets.tally import Tally

PARTS = ("train", "validation", "test")
_NO_FACE = "no face"
Draw = Literal["hash", "class"]


class InvalidShares(ValueError):  # noqa: N818 - named for what is wrong, as all our errors are
    """The shares are not three numbers that make one."""


@dataclass(frozen=True)
class Shares:
    """Expected shares of training, validation and test; together 1."""

    train: float
    validation: float
    test: float

    def __post_init__(self) -> None:
        if any(share < 0 for share in self.each) or not math.isclose(sum(self.each), 1.0):
            raise InvalidShares(f"shares {'/'.join(map(str, self.each))}: not three that make 1")

    @property
    def each(self) -> tuple[float, float, float]:
        """In the order of PARTS."""
        return self.train, self.validation, self.test


DEFAULT = Shares(0.7, 0.15, 0.15)
# The transfer-learning studies hold 20 % back and split a fifth of that off as the test.
STUDIES = Shares(0.8, 0.16, 0.04)


def read_shares(text: str) -> Shares:
    """Read `0.8/0.16/0.04`.

    Raises:
        InvalidShares: It is something else.
    """
    try:
        train, validation, test = (float(word) for word in text.split("/"))
    except ValueError as error:
        raise InvalidShares(f"shares {text!r}: not train/validation/test") from error
    return Shares(train, validation, test)


def drawn_by_hash(entries: Iterable[Entry], shares: Shares, *, seed: int) -> dict[str, str]:
    """Return the part of each group, from a hash of its name alone.

    Added pictures move none that were there before. The shares are those of the groups, expected:
    a small set may miss them widely.
    """
    bounds = (shares.train, shares.train + shares.validation)
    return {
        group: PARTS[sum(_drawn(group, seed) >= bound for bound in bounds)]
        for group in {entry.scene for entry in entries}
    }


def drawn_by_class(entries: Iterable[Entry], shares: Shares, *, seed: int) -> dict[str, str]:
    """Return the part of each group so that shares of pictures and classes hold closely.

    Groups go in the order of their rarest class, then of their hash, each to the part that lacks
    most pictures. Added pictures may move others.
    """
    members: dict[str, list[Entry]] = defaultdict(list)
    for entry in entries:
        members[entry.scene].append(entry)
    frequency = Counter(label for group in members.values() for label in _labels(group))

    def place(group: str) -> tuple[int, str, float]:
        rarest = min(_labels(members[group]), key=lambda label: (frequency[label], label))
        return frequency[rarest], rarest, _drawn(group, seed)

    filled = [0.0, 0.0, 0.0]
    parts = {}
    for group in sorted(members, key=place):
        size = len(members[group])
        after = sum(filled) + size
        lacks = [share * after - have for share, have in zip(shares.each, filled, strict=True)]
        chosen = max((i for i in range(3) if shares.each[i]), key=lambda i: lacks[i])
        filled[chosen] += size
        parts[group] = PARTS[chosen]
    return parts


def _labels(group: Iterable[Entry]) -> set[str]:
    found = {box.label for entry in group for box in entry.boxes}
    return set(found) or {_NO_FACE}


def _drawn(group: str, seed: int) -> float:
    digest = hashlib.sha256(f"{seed}:{group}".encode()).digest()
    return int.from_bytes(digest[:8], "big") / 2**64


DRAWS: Mapping[Draw, Callable[..., dict[str, str]]] = {
    "hash": drawn_by_hash,
    "class": drawn_by_class,
}


@dataclass(frozen=True)
class Plan:
    """What decides a split; `joins` makes one group of near-duplicates before the draw."""

    shares: Shares = DEFAULT
    seed: int = 1
    draw: Draw = "hash"
    joins: bool = False
    alike: Alike = field(default_factory=Alike)

    def as_mapping(self) -> dict[str, Any]:
        """Give it for a JSON file."""
        return asdict(self)


@dataclass(frozen=True)
class Made:
    """A split: the entries of each part, in the order of PARTS, and what they hold."""

    parts: Mapping[str, Sequence[Entry]]
    tallies: Mapping[str, Tally]
    warnings: Sequence[str]

    @property
    def table(self) -> str:
        """What the parts hold, in Markdown."""
        return tally.table(self.tallies)

    def as_mapping(self) -> dict[str, Any]:
        """Give it for a JSON file."""
        counts = {part: counted.as_mapping() for part, counted in self.tallies.items()}
        return {"parts": counts, "warnings": list(self.warnings)}


def make(found: LabelledSet, plan: Plan) -> Made:
    """Draw the parts and check them for leaks.

    Raises:
        LeakFound: Near-duplicates of different groups came to different parts.
        PictureBroken: A picture is damaged; the message names it.
    """
    paths = [found.path_of(entry) for entry in found.entries]
    pairs = duplicates.pairs(duplicates.fingerprints(paths, step="split: compare"), plan.alike)
    entries = with_joined_groups(found.entries, pairs) if plan.joins else found.entries
    part_of = DRAWS[plan.draw](entries, plan.shares, seed=plan.seed)
    parts: dict[str, list[Entry]] = {part: [] for part in PARTS}
    for entry in entries:
        parts[part_of[entry.scene]].append(entry)
    order = [index for part in PARTS for index in _places(entries, part_of, part)]
    leaks.check(parts, _renumbered(pairs, order))
    tallies = {part: tally.count(held) for part, held in parts.items()}
    return Made(parts, tallies, _warnings(tallies, plan))


def _places(entries: Sequence[Entry], part_of: Mapping[str, str], part: str) -> list[int]:
    return [index for index, entry in enumerate(entries) if part_of[entry.scene] == part]


def _renumbered(pairs: Sequence[Pair], order: Sequence[int]) -> list[Pair]:
    place = {index: position for position, index in enumerate(order)}
    return [replace(pair, first=place[pair.first], second=place[pair.second]) for pair in pairs]


def _warnings(tallies: Mapping[str, Tally], plan: Plan) -> list[str]:
    wanted = dict(zip(PARTS, plan.shares.each, strict=True))
    found = [
        warning
        for part, counted in tallies.items()
        if wanted[part]
        for warning in tally.warnings(part, counted)
    ]
    if found and plan.draw == "hash":
        found.append("--draw class spreads a small set more evenly")
    return found


def with_joined_groups(entries: Sequence[Entry], pairs: Sequence[Pair]) -> list[Entry]:
    """Give near-duplicates, and all of their groups, the group of the earliest."""
    return [
        entry if entry.scene == scene else entry.with_fields(group=scene)
        for entry, scene in zip(entries, duplicates.joined_groups(entries, pairs), strict=True)
    ]


def write(found: LabelledSet, parts: Mapping[str, Sequence[Entry]], folder: Path) -> None:
    """Write `train.jsonl`, `validation.jsonl`, `test.jsonl` and the pictures."""
    for part, entries in parts.items():
        sets.place(found, entries, folder)
        labelled.write(folder / f"{part}.jsonl", entries)
