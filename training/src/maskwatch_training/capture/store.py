"""The folder of a set: pictures and `<name>.jsonl`, safe on disk line by line, resumable."""

from __future__ import annotations

import fcntl
import json
import os
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from maskwatch_training.arrays import Image
from maskwatch_training.capture.session import Face, Frame
from maskwatch_training.datasets import labelled
from maskwatch_training.labels import LABELS

Entry = dict[str, Any]  # a line of the one form

_DIGEST_DIGITS = 16  # of the SHA-256, in the file's name: 64 bits, no clash below billions


class SetInUse(ValueError):  # noqa: N818 - named for what is wrong, as all our errors are
    """Another capture writes to this set; the message names it."""


class AlreadySaved(ValueError):  # noqa: N818 - named for what is wrong, as all our errors are
    """The very same picture is in the set; the message says as which file."""


@dataclass(frozen=True)
class Terms:
    """What stands beside every picture of a set: its name, the licence, the JPEG quality."""

    name: str
    licence: str
    quality: int = 92


class Store:
    """Writes `<folder>/<name>.jsonl` and `<folder>/<name>/*.jpg`; one at a time.

    A picture lies whole on disk before its line does. `torn` says how many bytes of an unfinished
    last line were moved to `<name>.jsonl.torn`, `missing` which pictures of the set are gone.

    Raises:
        SetInUse: Another process has it.
        InvalidAnnotation: A line of the set cannot be read; nothing is changed.
    """

    def __init__(self, folder: Path, terms: Terms) -> None:
        self._folder, self._terms = folder, terms
        self.path = folder / f"{terms.name}.jsonl"
        self._pictures = folder / terms.name
        self._pictures.mkdir(parents=True, exist_ok=True)
        self._lock = (folder / f".{terms.name}.lock").open("w")
        try:
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            self._lock.close()
            raise SetInUse(f"{self.path}: another capture writes to it") from None
        try:
            self.torn = self._mend()
            self._entries = self._read()
        except BaseException:
            self._lock.close()
            raise
        self.missing = [name for name in self._entries if not self.picture(name).is_file()]

    def close(self) -> None:
        """Let others write."""
        self._lock.close()

    @property
    def entries(self) -> list[Entry]:
        """The lines of the set, oldest first."""
        return list(self._entries.values())

    @property
    def counts(self) -> dict[str, int]:
        """How many faces of each class, and under `no_face` how many pictures without one."""
        boxes = [entry["boxes"] for entry in self._entries.values()]
        counted = Counter(box["label"] for part in boxes for box in part)
        return {name: counted[name] for name in LABELS} | {"no_face": boxes.count([])}

    def holds(self, frame: Frame) -> str | None:
        """Return the file as which this very picture is saved, if it is."""
        return self._file(frame) if self._file(frame) in self._entries else None

    def next_frame(self, source: str) -> int:
        """Return the number after the last frame of a film that was saved, 0 when none was."""
        origins = [entry.get("source", {}) for entry in self._entries.values()]
        numbers = [one["number"] for one in origins if one.get("name") == source]
        return max(numbers, default=-1) + 1

    def named(self, stem: str) -> Entry:
        """Return the line of the picture whose file has that stem.

        Raises:
            KeyError: There is none.
        """
        return self._entries[f"{self._terms.name}/{stem}.jpg"]

    def picture(self, file: str) -> Path:
        """Return the path of a picture of the set."""
        return self._folder / file

    def save(self, frame: Frame, faces: tuple[Face, ...], *, group: str) -> Entry:
        """Save a picture with its faces; both are on disk on return, or neither is listed.

        Raises:
            AlreadySaved: It is in the set.
            OSError: The disk is full, or not writable.
        """
        file = self._file(frame)
        if file in self._entries:
            raise AlreadySaved(f"this very picture is saved already: {file}")
        _write(self.picture(file), _jpeg(frame.picture, self._terms.quality))
        entry = self._entry(frame, faces, group)
        self._append(entry)
        self._entries[file] = entry
        return entry

    def remove(self, file: str) -> Entry:
        """Take a picture out of the set and erase it; return its line.

        Raises:
            KeyError: It is not in the set.
            OSError: The folder is not writable.
        """
        entry = self._entries[file]
        rest = [_line(other) for name, other in self._entries.items() if name != file]
        _write(self.path, "".join(rest).encode())
        del self._entries[file]
        self.picture(file).unlink(missing_ok=True)
        return entry

    def _file(self, frame: Frame) -> str:
        return f"{self._terms.name}/{frame.digest[:_DIGEST_DIGITS]}.jpg"

    def _entry(self, frame: Frame, faces: tuple[Face, ...], group: str) -> Entry:
        width, height = frame.size
        return {
            "file": self._file(frame),
            "width": width,
            "height": height,
            "boxes": [_box(face) for face in faces],
            "dataset": self._terms.name,
            "licence": self._terms.licence,
            "group": group,
            "source": {"name": frame.source, "number": frame.number},
        }

    def _append(self, entry: Entry) -> None:
        rest = _line(entry).encode()
        # Unbuffered: closing a buffered file would write again what failed.
        with self.path.open("ab", buffering=0) as file:
            end = file.tell()
            try:
                while rest:
                    rest = rest[file.write(rest) :]
                os.fsync(file.fileno())
            except OSError:
                os.ftruncate(file.fileno(), end)
                raise

    def _mend(self) -> int:
        """Move an unfinished last line aside; a power cut can leave one."""
        if not self.path.exists():
            return 0
        whole, newline, torn = self.path.read_bytes().rpartition(b"\n")
        if not torn.strip():
            return 0
        if _is_json(torn):
            _write(self.path, whole + newline + torn + b"\n")
            return 0
        with self.path.with_name(f"{self.path.name}.torn").open("ab") as aside:
            aside.write(torn + b"\n")
        _write(self.path, whole + newline)
        return len(torn)

    def _read(self) -> dict[str, Entry]:
        if not self.path.exists():
            return {}
        return {entry.file: entry.as_mapping() for entry in labelled.read(self.path)}


def _box(face: Face) -> Entry:
    box: Entry = {"xyxy": [round(side, 1) for side in face.box], "label": face.label}
    if face.eyes:
        box["eyes"] = [[round(x, 1), round(y, 1)] for x, y in face.eyes]
    return box


def _line(entry: Entry) -> str:
    return json.dumps(entry, ensure_ascii=False) + "\n"


def _is_json(text: bytes) -> bool:
    try:
        return isinstance(json.loads(text), dict)
    except ValueError:
        return False


def _jpeg(picture: Image, quality: int) -> bytes:
    bgr = cv2.cvtColor(picture, cv2.COLOR_RGB2BGR)
    _, encoded = cv2.imencode(".jpg", bgr, [cv2.IMWRITE_JPEG_QUALITY, quality])
    return np.asarray(encoded, np.uint8).tobytes()


def _write(path: Path, content: bytes) -> None:
    """Write a file whole or not at all, and on disk on return."""
    draft = path.with_name(f"{path.name}.part")
    try:
        with draft.open("wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        draft.replace(path)
    finally:
        draft.unlink(missing_ok=True)
    folder = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)
