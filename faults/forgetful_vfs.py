"""A disk that forgets on a power cut what was not synced: a VFS for SQLite that notes every write
and sync, and a log of them that can be cut anywhere.
"""  # noqa: D205 - one sentence

import random
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import apsw

# What a disk writes whole or not at all. Source: sqlite.org/psow.html.
_SECTOR_BYTES = 512
NAME = "forgetful"


@dataclass(frozen=True, slots=True)
class Step:
    """Something that SQLite asked of the disk."""

    what: Literal["write", "truncate", "sync", "delete"]
    file: str
    offset: int = 0
    data: bytes = b""


class Recorder(apsw.VFS):
    """Passes everything on to the usual VFS, and notes what the disk was asked; `steps`."""

    def __init__(self) -> None:
        self.steps: list[Step] = []
        super().__init__(NAME, "")

    def xOpen(self, name: apsw.URIFilename | str | None, flags: list[int]) -> "_File":  # noqa: N802 - SQLite's names
        return _File(self.steps, name, flags)

    def xDelete(self, filename: str, syncdir: bool) -> None:  # noqa: FBT001, N802 - the same
        self.steps.append(Step("delete", Path(filename).name))
        super().xDelete(filename, syncdir)


class _File(apsw.VFSFile):
    def __init__(
        self, steps: list[Step], name: apsw.URIFilename | str | None, flags: list[int]
    ) -> None:
        path = name.filename() if isinstance(name, apsw.URIFilename) else name
        self._steps = steps
        self._name = Path(path or "temporary").name
        super().__init__("", name, flags)

    def xWrite(self, data: bytes, offset: int) -> None:  # noqa: N802 - SQLite's names
        self._steps.append(Step("write", self._name, offset, bytes(data)))
        super().xWrite(data, offset)

    def xTruncate(self, newsize: int) -> None:  # noqa: N802 - the same
        self._steps.append(Step("truncate", self._name, newsize))
        super().xTruncate(newsize)

    def xSync(self, flags: int) -> None:  # noqa: N802 - the same
        self._steps.append(Step("sync", self._name))
        super().xSync(flags)


Image = Mapping[str, bytes]


def after_cut(steps: Sequence[Step], numbers: random.Random) -> Image:
    """Return the files as a power cut behind these steps may leave them.

    What was synced is there. Of what was not, each file keeps nothing, all, or any sectors, as the
    disk happened to write them.
    """
    durable: dict[str, bytearray] = {}
    pending: dict[str, list[Step]] = defaultdict(list)
    for step in steps:
        if step.what == "sync":
            for one in pending.pop(step.file, []):
                _apply(durable, one)
        elif step.what == "delete":  # of a log that is in the database by then: may be there or not
            pending.pop(step.file, None)
            durable.pop(step.file, None)
        else:
            pending[step.file].append(step)
    for unsynced in pending.values():
        for one in _written(unsynced, numbers):
            _apply(durable, one)
    return {name: bytes(content) for name, content in durable.items()}


def _written(unsynced: Sequence[Step], numbers: random.Random) -> Iterator[Step]:
    fate = numbers.choice(("nothing", "all", "sectors"))
    if fate == "all":
        yield from unsynced
    elif fate == "sectors":
        for step in unsynced:
            if step.what != "write":
                if numbers.random() < 0.5:
                    yield step
                continue
            for at in range(0, len(step.data), _SECTOR_BYTES):
                if numbers.random() < 0.5:
                    data = step.data[at : at + _SECTOR_BYTES]
                    yield Step("write", step.file, step.offset + at, data)


def _apply(files: dict[str, bytearray], step: Step) -> None:
    content = files.setdefault(step.file, bytearray())
    end = step.offset + len(step.data)
    if step.what == "truncate":
        del content[step.offset :]
    elif len(content) < end:
        content.extend(bytes(end - len(content)))
    if step.what == "write":
        content[step.offset : end] = step.data
