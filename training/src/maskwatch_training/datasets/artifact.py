"""Versioned data sets: a folder a version, with the SHA-256 of every file.

A version is its content: annotation files and pictures. The same content is the same version,
however often and by whomever it is handed in.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import pydantic
from pydantic import BaseModel, ConfigDict, Field

from maskwatch_training import drafts, record
from maskwatch_training.datasets import pictures, progress, sets, tally
from maskwatch_training.datasets.sets import LabelledSet

MANIFEST = "manifest.json"
_NOTES = ("record-*.json", "report.json", "report.md")  # what the steps before wrote about it
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
_VERSION = re.compile(r"v([1-9]\d*)")
_FAULTS_SHOWN = 10

Sha256 = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]


class InvalidArtifact(ValueError):  # noqa: N818 - named for what is wrong, as all our errors are
    """A version is damaged, or a name cannot be one; the message names file and field."""


class Manifest(BaseModel):
    """What a version holds.

    `digest` is the SHA-256 over names and digests of `files` (annotations and pictures); `notes`
    are the records and reports of the steps before, kept but not part of the content.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str
    version: str
    digest: Sha256
    made_at: datetime
    files: dict[str, Sha256]
    notes: dict[str, Sha256]
    licences: dict[str, int]
    parts: dict[str, dict[str, object]]


@dataclass(frozen=True)
class Version:
    """A version in a store."""

    folder: Path
    manifest: Manifest
    is_new: bool


def content(found: LabelledSet) -> dict[str, str]:
    """Return the SHA-256 of the annotation files and pictures by name within the set."""
    files = [path.relative_to(found.folder).as_posix() for path in found.annotation_files]
    files += [entry.file for entry in found.entries]
    return _digests(found.folder, files)


def _digests(folder: Path, files: Iterable[str]) -> dict[str, str]:
    listed = sorted(files)
    return {file: record.digest(folder / file) for file in progress.shown(listed, "digests")}


def digest(files: Mapping[str, str]) -> str:
    """Return the digest of a content."""
    lines = "".join(f"{files[file]}  {file}\n" for file in sorted(files))
    return hashlib.sha256(lines.encode()).hexdigest()


def store(folder: Path, name: str, shelf: Path) -> Version:
    """Put a set on a shelf: `<shelf>/<name>/v<n>`, or find the version that it already is.

    Raises:
        InvalidArtifact: The name cannot be a folder's name, or a former version's manifest is
            damaged.
        InvalidAnnotation: The set cannot be used.
        DiskFull: There was no room; the shelf is as before.
    """
    check_name(name)
    found = sets.read(folder)
    files = content(found)
    former = _versions(shelf / name)
    for path, manifest in former.values():
        if manifest.digest == digest(files):
            return Version(path, manifest, is_new=False)
    return _added(found, files, shelf / name, max(former, default=0) + 1)


def check_name(name: str) -> None:
    """Make sure that a name can be a folder's and an artifact's.

    Raises:
        InvalidArtifact: It cannot.
    """
    if not _NAME.fullmatch(name):
        raise InvalidArtifact(f"--name {name!r}: letters, digits, full stop, hyphen, underscore")


def _versions(home: Path) -> dict[int, tuple[Path, Manifest]]:
    found = {}
    for path in home.glob("v*"):
        if match := _VERSION.fullmatch(path.name):
            found[int(match[1])] = (path, read_manifest(path))
    return found


def _added(found: LabelledSet, files: Mapping[str, str], home: Path, number: int) -> Version:
    target = home / f"v{number}"
    notes = [path.name for pattern in _NOTES for path in sorted(found.folder.glob(pattern))]
    with drafts.folder(target) as draft:
        for file in progress.shown([*files, *notes], "artifact", unit="files"):
            pictures.copy(found.folder / file, draft / file)
        manifest = Manifest(
            name=home.name,
            version=target.name,
            digest=digest(files),
            made_at=datetime.now(UTC),
            files=dict(files),
            notes=_digests(draft, notes),
            licences=_licences(found),
            parts={part.name: tally.count(part.entries).as_mapping() for part in found.parts},
        )
        record.write_json(draft / MANIFEST, manifest.model_dump(mode="json"))
        verify(draft)
    return Version(target, manifest, is_new=True)


def _licences(found: LabelledSet) -> dict[str, int]:
    counts: dict[str, int] = {}
    for entry in found.entries:
        counts[entry.licence] = counts.get(entry.licence, 0) + 1
    return counts


def read_manifest(folder: Path) -> Manifest:
    """Read a version's manifest.

    Raises:
        InvalidArtifact: It is missing or damaged.
    """
    path = folder / MANIFEST
    try:
        return Manifest.model_validate_json(path.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise InvalidArtifact(f"{path}: there is none; not a version of a data set") from error
    except pydantic.ValidationError as error:
        fault = error.errors()[0]
        field = ".".join(map(str, fault["loc"])) or "file"
        raise InvalidArtifact(f"{path}: {field}: {fault['msg']}") from error


def verify(folder: Path) -> Manifest:
    """Check every file of a version.

    Raises:
        InvalidArtifact: Files are missing, changed or too many, or the digest is not theirs; the
            message names them.
    """
    manifest = read_manifest(folder)
    expected = {**manifest.files, **manifest.notes}
    present = {
        path.relative_to(folder).as_posix()
        for path in folder.rglob("*")
        if path.is_file() and path != folder / MANIFEST
    }
    actual = _digests(folder, present & expected.keys())
    faults = [f"{file}: is missing" for file in sorted(expected.keys() - present)]
    faults += [f"{file}: is not in the manifest" for file in sorted(present - expected.keys())]
    faults += [f"{file}: has changed" for file in actual if actual[file] != expected[file]]
    if digest(manifest.files) != manifest.digest:
        faults.append(f"{MANIFEST}: digest: is not that of the files")
    if faults:
        more = [f"and {len(faults) - _FAULTS_SHOWN} more"] if len(faults) > _FAULTS_SHOWN else []
        lines = "\n  ".join([*faults[:_FAULTS_SHOWN], *more])
        raise InvalidArtifact(f"{folder}: {len(faults)} faults:\n  {lines}")
    return manifest
