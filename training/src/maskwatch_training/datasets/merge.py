"""Several people's sets made one: names kept apart, near-duplicates found, a report."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, Literal

from maskwatch_training.datasets import agreement, duplicates, labelled, pictures, progress, tally
from maskwatch_training.datasets.duplicates import Alike, Pair
from maskwatch_training.datasets.labelled import Entry
from maskwatch_training.datasets.sets import LabelledSet
from maskwatch_training.datasets.tally import Tally
from maskwatch_training.record import write_json

PICTURE_FOLDER = "pictures"
Handling = Literal["group", "drop"]


@dataclass(frozen=True)
class Item:
    """A picture on its way: from where, of which set, and its entry under the new name."""

    source: Path
    set_name: str
    entry: Entry


@dataclass(frozen=True)
class Twins:
    """Two near-duplicates; `conflict` says how their labels contradict each other."""

    first: str
    second: str
    bits: int
    is_mirrored: bool
    conflict: str | None
    is_dropped: bool


@dataclass(frozen=True)
class Merged:
    """What came of it."""

    items: Sequence[Item]
    twins: Sequence[Twins]
    dropped: int
    before: Mapping[str, Tally]
    after: Tally

    @property
    def conflicts(self) -> list[Twins]:
        """The near-duplicates whose labels contradict each other."""
        return [twins for twins in self.twins if twins.conflict]

    def as_mapping(self) -> dict[str, Any]:
        """Give it for a JSON file."""
        return {
            "sets": {name: counted.as_mapping() for name, counted in self.before.items()},
            "merged": self.after.as_mapping(),
            "dropped": self.dropped,
            "duplicates": [asdict(twins) for twins in self.twins],
            "conflicts": len(self.conflicts),
        }


def gather(sets: Sequence[LabelledSet]) -> list[Item]:
    """Return all pictures under names that no two sets share.

    A picture becomes `pictures/<set>/<its file>`, a group `<set>/<group>`.
    """
    return [
        Item(
            one.path_of(entry),
            name,
            entry.with_fields(
                file=f"{PICTURE_FOLDER}/{name}/{entry.file.removeprefix(f'{PICTURE_FOLDER}/')}",
                group=f"{name}/{entry.scene}",
            ),
        )
        for name, one in zip(_names(sets), sets, strict=True)
        for entry in one.entries
    ]


def _names(sets: Sequence[LabelledSet]) -> list[str]:
    names: list[str] = []
    for one in sets:
        plain = one.folder.resolve().name
        count = 1
        name = plain
        while name in names:
            count += 1
            name = f"{plain}-{count}"
        names.append(name)
    return names


def merge(items: Sequence[Item], pairs: Sequence[Pair], handling: Handling) -> Merged:
    """Join the groups of near-duplicates, or keep only the first of those that agree.

    Of near-duplicates with contradicting labels, and of mirrored ones, both stay whatever the
    handling: which is right is for a person to say.
    """
    scenes = duplicates.joined_groups([item.entry for item in items], pairs)
    gone: set[int] = set()
    twins = []
    for pair in pairs:
        one, other = items[pair.first].entry, items[pair.second].entry
        conflict = None if pair.is_mirrored else agreement.conflict(one, other)
        is_redundant = conflict is None and not pair.is_mirrored and pair.first not in gone
        is_dropped = handling == "drop" and is_redundant
        if is_dropped:
            gone.add(pair.second)
        twins.append(Twins(one.file, other.file, pair.bits, pair.is_mirrored, conflict, is_dropped))
    kept = [
        replace(item, entry=item.entry.with_fields(group=scene))
        for index, (item, scene) in enumerate(zip(items, scenes, strict=True))
        if index not in gone
    ]
    after = tally.count(item.entry for item in kept)
    return Merged(kept, twins, len(gone), _by_set(items), after)


def _by_set(items: Sequence[Item]) -> dict[str, Tally]:
    names = dict.fromkeys(item.set_name for item in items)
    return {name: tally.count(i.entry for i in items if i.set_name == name) for name in names}


def find_pairs(items: Sequence[Item], alike: Alike) -> list[Pair]:
    """Look at every picture and return the near-duplicates.

    Raises:
        PictureBroken: A picture is damaged; the message names it.
    """
    looks = duplicates.fingerprints([item.source for item in items], step="merge: compare")
    return duplicates.pairs(looks, alike)


def write(merged: Merged, folder: Path, name: str) -> None:
    """Write pictures, `<name>.jsonl`, `report.md` and `report.json`."""
    for item in progress.shown(merged.items, "merge: write"):
        pictures.place(item.source, folder / item.entry.file)
    labelled.write(folder / f"{name}.jsonl", [item.entry for item in merged.items])
    write_json(folder / "report.json", merged.as_mapping())
    (folder / "report.md").write_text(report(merged, name), encoding="utf-8")


def report(merged: Merged, name: str) -> str:
    """Write what came of it in Markdown."""
    lines = [f"# {name}", "", "Faces by size: short side, the picture's long side at 640 px.", ""]
    lines += [tally.table({**merged.before, f"**{name}**": merged.after})]
    lines += [
        f"Near-duplicates: {len(merged.twins)} pairs, {merged.dropped} pictures dropped.",
        f"Contradicting labels: {len(merged.conflicts)} pairs.",
        "",
    ]
    lines += [f"- {warning}" for warning in tally.warnings(name, merged.after)]
    if merged.twins:
        lines += ["", "| first | second | bits of 64 | mirrored | labels | dropped |"]
        lines += ["|---|---|---|---|---|---|"]
        by_weight = sorted(merged.twins, key=lambda twins: twins.conflict is None)
        lines += [_row(twins) for twins in by_weight]
    return "\n".join(lines) + "\n"


def _row(twins: Twins) -> str:
    mirrored, dropped = ("yes" if is_so else "" for is_so in (twins.is_mirrored, twins.is_dropped))
    labels = f"**{twins.conflict}**" if twins.conflict else "agree"
    if twins.is_mirrored:
        labels = "not compared"
    cells = (twins.first, twins.second, str(twins.bits), mirrored, labels, dropped)
    return f"| {' | '.join(cells)} |"
