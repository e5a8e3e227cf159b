"""A damaged outbox is put aside and replaced by a new one with what could be read of it.

The file is renamed to ``NAME.corrupt-<time>`` with its log, and stays for a person to look at.
Detector, gateway and dispatcher open the same file: whoever finds the damage does it, under a lock
that each of them holds while opening. The lock's file also remembers that an outbox was here: a
file that never was one, from a wrong path, is refused and left alone.

A program that has the file open goes on with the renamed one until it notices (`Outbox.is_moved`);
SQLite deletes no log beside a file that was moved. What it commits meanwhile it stores again.
"""

import contextlib
import fcntl
import os
import sqlite3
import time
from collections.abc import Iterator
from datetime import datetime
from io import FileIO
from pathlib import Path
from typing import NamedTuple

import structlog

from maskwatch_runtime.errors import Misconfigured, Unavailable
from maskwatch_runtime.outbox import salvage, schema

_log = structlog.get_logger()
_WAIT_S = 10.0
_SUFFIXES = ("-wal", "-shm", "")  # the file itself last: with it, all of it is moved
# A column of our table and of the originals', as it stands in the file's first pages.
_OURS = b"device_deployed_on"
_SEARCHED_BYTES = 1024 * 1024
_WAS_HERE = b"an outbox was here\n"


def held(path: Path) -> list[Path]:
    """Return the damaged files that lie beside an outbox, oldest first."""
    found = path.parent.glob(f"{path.name}.corrupt-*")
    return sorted(one for one in found if not one.name.endswith(("-wal", "-shm", ".reading")))


class Opened(NamedTuple):
    """A connection, and which file it belongs to."""

    connection: sqlite3.Connection
    identity: tuple[int, int] | None


def connect(path: Path, *, now: datetime) -> Opened:
    """Open the outbox as `schema.connect` does; a damaged one is put aside first.

    Raises:
        Misconfigured: As `schema.connect`; also for a file that is damaged or no database, and of
            which nothing says that it ever was an outbox.
        Unavailable: As `schema.connect`; also while another program is putting it aside.
    """
    with _alone(path) as lock:
        _resume(path)
        try:
            connection = _connect(path)
        except schema.Damaged as damage:
            if not (_was_here(lock) or _looks_like_ours(path)):
                raise Misconfigured(
                    f"{damage}, and there was no outbox here before: move the file away, or correct"
                    " MASKWATCH_OUTBOX_PATH"
                ) from damage
            _put_aside(path, str(damage), now=now)
            connection = schema.connect(path)
        _remember(lock)
        return Opened(connection, schema.identity(path))


def _connect(path: Path) -> sqlite3.Connection:
    if _has_lost_everything(path):
        raise schema.Damaged(f"the outbox {path} is empty, and has a log")
    return schema.connect(path)


def replace(path: Path, identity: tuple[int, int], reason: str, *, now: datetime) -> None:
    """Put the file aside that had this device and inode, unless somebody has done so already.

    Raises:
        Unavailable: The disk does not allow it now.
    """
    with _alone(path):
        if schema.identity(path) == identity:
            _put_aside(path, reason, now=now)


# --- the lock ------------------------------------------------------------------------------------


@contextlib.contextmanager
def _alone(path: Path) -> Iterator[FileIO]:
    """Hold the lock beside the file; it goes back with its process, however that ends."""
    try:
        lock = FileIO(path.with_name(f"{path.name}-open.lock"), "a+")
    except (FileNotFoundError, NotADirectoryError, PermissionError) as error:
        raise Misconfigured(f"the outbox {path} cannot be opened: {error.strerror}") from error
    except OSError as error:
        raise Unavailable("outbox", f"{path}: {error.strerror}") from error
    with contextlib.closing(lock):
        deadline_s = time.monotonic() + _WAIT_S
        while not _is_locked(lock):
            if time.monotonic() > deadline_s:
                raise Unavailable("outbox", f"{path}: another program is opening it")
            time.sleep(0.02)
        yield lock


def _is_locked(lock: FileIO) -> bool:
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _was_here(lock: FileIO) -> bool:
    return os.fstat(lock.fileno()).st_size > 0


def _remember(lock: FileIO) -> None:
    if not _was_here(lock):
        with contextlib.suppress(OSError):  # a full disk: the next start will
            lock.write(_WAS_HERE)


# --- the damage ----------------------------------------------------------------------------------


def _has_lost_everything(path: Path) -> bool:
    """Whether the file is empty and has a log, which SQLite would delete unread."""
    try:
        return path.stat().st_size == 0 and _beside(path, "-wal").stat().st_size > 0
    except FileNotFoundError:
        return False


def _looks_like_ours(path: Path) -> bool:
    # Never closed: that would take away the locks that SQLite has on the file in this process.
    file = os.open(path, os.O_RDONLY)
    return _OURS in os.read(file, _SEARCHED_BYTES)


# --- putting aside -------------------------------------------------------------------------------


def _put_aside(path: Path, reason: str, *, now: datetime) -> None:
    aside = _free_name(path, now)
    with _waiting_for_the_disk(path):
        _note(path).write_text(aside.name, encoding="utf-8")
        _sync(_note(path))
        _replace(path, aside, reason)


def _resume(path: Path) -> None:
    """Finish what a crash has interrupted: the note names the file that was put aside."""
    with _waiting_for_the_disk(path):
        try:
            name = _note(path).read_text(encoding="utf-8").strip()
        except FileNotFoundError:
            return
        aside = path.with_name(name)
        if not name or (path.exists() and aside.exists()):
            _note(path).unlink()  # not begun, or done but for this
        else:
            _replace(path, aside, "interrupted before")


@contextlib.contextmanager
def _waiting_for_the_disk(path: Path) -> Iterator[None]:
    try:
        yield
    except (OSError, sqlite3.Error) as error:
        reason = f"{path} is damaged, and cannot be put aside: {error}"
        raise Unavailable("outbox", reason) from error


def _replace(path: Path, aside: Path, reason: str) -> None:
    """Rename, copy what can be read into a new file, and put that in its place."""
    for suffix in _SUFFIXES:
        with contextlib.suppress(FileNotFoundError):
            _beside(path, suffix).rename(_beside(aside, suffix))
    _sync(path.parent)
    fresh = path.with_name(f"{path.name}.fresh")
    for suffix in _SUFFIXES:
        _beside(fresh, suffix).unlink(missing_ok=True)
    done = salvage.copy(aside, fresh)
    fresh.rename(path)
    _sync(path.parent)
    _note(path).unlink()
    _log.error(
        "a damaged outbox was put aside",
        action="quarantine",
        reason=reason,
        file=aside.name,
        salvaged=done.rows,
        holes=done.holes,
    )


def _free_name(path: Path, now: datetime) -> Path:
    stamp = now.strftime("%Y%m%dT%H%M%S")
    name, number = path.with_name(f"{path.name}.corrupt-{stamp}"), 1
    while name.exists():  # a device without a battery begins at the same time again and again
        number += 1
        name = path.with_name(f"{path.name}.corrupt-{stamp}-{number}")
    return name


def _note(path: Path) -> Path:
    return path.with_name(f"{path.name}-quarantine")


def _beside(path: Path, suffix: str) -> Path:
    return path.with_name(path.name + suffix)


def _sync(path: Path) -> None:
    file = os.open(path, os.O_RDONLY)
    try:
        os.fsync(file)
    finally:
        os.close(file)
