"""Folders and files that appear whole or not at all."""

from __future__ import annotations

import errno
import fcntl
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

# A quota and a limit on the size of a file end a step as a full disk does.
_NO_ROOM = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG})


class DiskFull(OSError):  # noqa: N818 - named for what is wrong, as all our errors are
    """There was no room for the result; nothing of it lies under its name."""


@contextmanager
def folder(out: Path) -> Iterator[Path]:
    """Give a draft folder that becomes `out` when the body ends well and is removed otherwise.

    The draft lies beside `out`; what a killed step left there is cleared by the next one.

    Raises:
        FileExistsError: `out` holds something already.
        BlockingIOError: Another step is writing it at the moment.
        DiskFull: There was no room.
    """
    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise FileExistsError(f"{out}: exists already; name another folder with --out")
    draft = out.parent / f".{out.name}.draft"
    with _room_for(out, "nothing kept"):
        draft.mkdir(parents=True, exist_ok=True)
        with _sole_writer(draft, out):
            try:
                _clear(draft)
                yield draft
                draft.replace(out)
            finally:
                shutil.rmtree(draft, ignore_errors=True)


@contextmanager
def file(path: Path) -> Iterator[Path]:
    """Give a draft that becomes `path` when the body ends well; otherwise the former file stays.

    Raises:
        DiskFull: There was no room.
    """
    draft = path.with_suffix(".part")
    try:
        with _room_for(path, "what was there before is kept"):
            yield draft
            draft.replace(path)
    finally:
        draft.unlink(missing_ok=True)


@contextmanager
def _room_for(out: Path, rest: str) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        if error.errno not in _NO_ROOM:
            raise
        at = f" at {error.filename}" if error.filename else ""
        raise DiskFull(f"{out}: no room left ({error.strerror}{at}); {rest}") from error


@contextmanager
def _sole_writer(draft: Path, out: Path) -> Iterator[None]:
    handle = os.open(draft, os.O_RDONLY | os.O_DIRECTORY)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        os.close(handle)
        raise BlockingIOError(f"{out}: another step is writing it") from error
    try:
        yield
    finally:
        os.close(handle)


def _clear(draft: Path) -> None:
    for path in draft.iterdir():
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path)
        else:
            path.unlink()
