"""Whether anything stands on two sides of a split."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence

from maskwatch_training.datasets.duplicates import Pair
from maskwatch_training.datasets.labelled import Entry

_PAIRS_SHOWN = 20

_Placed = tuple[str, Entry]


class LeakFound(ValueError):  # noqa: N818 - named for what is wrong, as all our errors are
    """A group or a near-duplicate is on both sides of a split; the message names the pairs."""


def check(parts: Mapping[str, Sequence[Entry]], pairs: Sequence[Pair]) -> None:
    """Make sure that no group and no near-duplicate is on two sides.

    Args:
        parts: The entries of each part.
        pairs: Near-duplicates, by place in the parts' entries one part after the other.

    Raises:
        LeakFound: With the pairs.
    """
    found = [
        f"{part}: {entry.file} and {other_part}: {other.file} ({why})"
        for (part, entry), (other_part, other), why in _together(parts, pairs)
        if part != other_part
    ]
    if found:
        more = [f"and {len(found) - _PAIRS_SHOWN} more"] if len(found) > _PAIRS_SHOWN else []
        lines = "\n  ".join([*found[:_PAIRS_SHOWN], *more])
        remedy = "--join-duplicates of split, or merge, makes one group of them"
        raise LeakFound(f"{len(found)} pairs on two sides of the split; {remedy}:\n  {lines}")


def _together(
    parts: Mapping[str, Sequence[Entry]], pairs: Sequence[Pair]
) -> Iterator[tuple[_Placed, _Placed, str]]:
    by_group: dict[str, dict[str, _Placed]] = defaultdict(dict)
    for part, entries in parts.items():
        for entry in entries:
            by_group[entry.scene].setdefault(part, (part, entry))
    for group, sides in by_group.items():
        first, *others = sides.values()
        for other in others:
            yield first, other, f"group {group}"
    flat = [(part, entry) for part, entries in parts.items() for entry in entries]
    for pair in pairs:
        yield flat[pair.first], flat[pair.second], f"look the same, {pair.bits} of 64 bits apart"
