"""What a set holds: pictures, classes, sizes of faces."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from typing import Any

from maskwatch_training.datasets.labelled import Box, Entry
from maskwatch_training.labels import LABELS

# Short sides in px after the picture's long side was scaled to 640, as the figures use them.
_LONG_SIDE_PX = 640.0
SIZES = ("<24 px", "24-48 px", ">=48 px")


@dataclass(frozen=True)
class Tally:
    """Counts of one set."""

    pictures: int
    crops: int
    without_face: int
    groups: int
    labels: Mapping[str, int]
    sizes: Mapping[str, int]

    def as_mapping(self) -> dict[str, Any]:
        """Give it for a JSON file."""
        return asdict(self)

    @property
    def empty_classes(self) -> list[str]:
        """The classes without any face."""
        return [label for label in LABELS if not self.labels[label]]


def count(entries: Iterable[Entry]) -> Tally:
    """Count what the entries hold."""
    every = list(entries)
    labels: Counter[str] = Counter(box.label for entry in every for box in entry.boxes)
    sizes = Counter(_size(box, entry) for entry in every for box in entry.boxes)
    return Tally(
        pictures=len(every),
        crops=sum(entry.kind == "crop" for entry in every),
        without_face=sum(not entry.boxes for entry in every),
        groups=len({entry.scene for entry in every}),
        labels={label: labels[label] for label in LABELS},
        sizes={size: sizes[size] for size in SIZES},
    )


def _size(box: Box, entry: Entry) -> str:
    left, top, right, bottom = box.xyxy
    short_px = min(right - left, bottom - top) * _LONG_SIDE_PX / max(entry.width, entry.height)
    return SIZES[(short_px >= 24) + (short_px >= 48)]


def warnings(name: str, tally: Tally) -> list[str]:
    """Say what a training would miss in a set."""
    if not tally.pictures:
        return [f"{name}: holds no picture"]
    present = [label for label in LABELS if tally.labels[label]]
    if not present:
        return [f"{name}: holds no face"]
    if len(present) == 1:
        return [f"{name}: holds one class only ({present[0]})"]
    return [f"{name}: no face of class {label}" for label in tally.empty_classes]


def table(rows: Mapping[str, Tally]) -> str:
    """Write a Markdown table, a row a set."""
    columns = ["pictures", "crops", "without face", "groups", *LABELS, *SIZES]
    lines = [f"| set | {' | '.join(columns)} |", "|---|" + "---|" * len(columns)]
    for name, tally in rows.items():
        cells = [tally.pictures, tally.crops, tally.without_face, tally.groups]
        cells += [*tally.labels.values(), *tally.sizes.values()]
        lines.append(f"| {name} | {' | '.join(map(str, cells))} |")
    return "\n".join(lines) + "\n"
