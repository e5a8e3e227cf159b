"""A folder of labelled pictures, and the folder that a step writes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from maskwatch_training.datasets import labelled, pictures
from maskwatch_training.datasets.labelled import Entry, InvalidAnnotation


@dataclass(frozen=True)
class Part:
    """One annotation file: its name without the suffix, and its pictures."""

    path: Path
    entries: tuple[Entry, ...]

    @property
    def name(self) -> str:
        """`faces` of `faces.jsonl`."""
        return self.path.stem


@dataclass(frozen=True)
class LabelledSet:
    """A folder with annotation files; each entry's `file` is relative to it."""

    folder: Path
    parts: tuple[Part, ...]

    @property
    def entries(self) -> list[Entry]:
        """All entries, part by part."""
        return [entry for part in self.parts for entry in part.entries]

    @property
    def annotation_files(self) -> list[Path]:
        """The files that were read."""
        return [part.path for part in self.parts]

    def path_of(self, entry: Entry) -> Path:
        """Return where an entry's picture lies."""
        return self.folder / entry.file


def read(folder: Path) -> LabelledSet:
    """Read all annotation files of a folder (`*.jsonl`, or `train/*.jsonl` where there is none).

    Raises:
        FileNotFoundError: There is no annotation file, or a picture is missing.
        InvalidAnnotation: A line cannot be used, or two files describe the same picture.
    """
    files = sorted(folder.glob("*.jsonl")) or sorted(folder.glob("train/*.jsonl"))
    if not files:
        raise FileNotFoundError(f"{folder}: holds no .jsonl of labelled pictures")
    found = LabelledSet(folder, tuple(Part(path, tuple(labelled.read(path))) for path in files))
    _check_pictures(found)
    return found


def _check_pictures(found: LabelledSet) -> None:
    described_by: dict[str, str] = {}
    for part in found.parts:
        for entry in part.entries:
            if entry.file in described_by:
                other = described_by[entry.file]
                raise InvalidAnnotation(f"{part.path.name}: file: {entry.file} is in {other} too")
            described_by[entry.file] = part.path.name
    missing = [file for file in described_by if not (found.folder / file).is_file()]
    if missing:
        first = f"{described_by[missing[0]]}: file: {missing[0]}"
        raise FileNotFoundError(f"{first} is missing in {found.folder} ({len(missing)} in all)")


def place(found: LabelledSet, entries: Sequence[Entry], folder: Path) -> None:
    """Put the entries' pictures below another folder, under the names they have."""
    for entry in entries:
        pictures.place(found.path_of(entry), folder / entry.file)
