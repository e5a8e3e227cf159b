"""One checkpointer at a time, whichever programs have the outbox open.

SQLite before 3.51.3 can corrupt a WAL file when two processes checkpoint at once, so automatic
checkpoints are off and whoever holds the lock beside the database makes them. The lock goes back
with its process, however that ends. Source: sqlite.org, release history of 3.51.3.
"""

import fcntl
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from io import FileIO
from pathlib import Path

from maskwatch_runtime.outbox.transaction import transaction

_WAL_BYTES = 4 * 1024 * 1024


class Checkpointer:
    """Moves the WAL into the database once it has grown, if no other process is doing so.

    Args:
        path: The database.
        wal_bytes: From this size of the WAL on there is enough to move.
    """

    def __init__(self, path: Path, *, wal_bytes: int = _WAL_BYTES) -> None:
        self._path = path
        self._wal_bytes = wal_bytes
        self._wal = path.with_name(path.name + "-wal")
        self._lock_path = path.with_name(path.name + "-checkpoint.lock")

    def checkpoint(self, connection: sqlite3.Connection, *, is_disk_short: bool = False) -> bool:
        """Checkpoint when there is enough to move; return whether it was done.

        On a disk that is short any byte is enough, and the log's file keeps its size: others would
        take what it gives back.
        """
        if self._size_bytes() < (1 if is_disk_short else self._wal_bytes):
            return False
        with self._locked() as is_ours:
            if not is_ours:
                return False
            mode = "RESTART" if is_disk_short else "TRUNCATE"
            busy, _, _ = connection.execute(f"PRAGMA wal_checkpoint({mode})").fetchone()
            return not busy

    def checkpoint_into(
        self, connection: sqlite3.Connection, give_room: Callable[[], None]
    ) -> bool:
        """Checkpoint on a full disk into the room that `give_room` makes; return whether it was
        done.

        Rows that are in the log alone make the database grow when they are moved. On a full disk
        they cannot be, and nothing else can be written either, not even what deletes rows. Room
        that comes back then must not go to those who fill the log: they wait meanwhile.
        """  # noqa: D205 - one sentence
        with self._locked() as is_ours:
            if not is_ours:
                return False
            # A connection cannot checkpoint while it holds the lock for writing; another one can.
            with transaction(connection), closing(sqlite3.connect(self._path)) as second:
                give_room()
                second.execute("PRAGMA wal_checkpoint(PASSIVE)").fetchone()
            return True

    def _size_bytes(self) -> int:
        try:
            return self._wal.stat().st_size
        except FileNotFoundError:
            return 0

    @contextmanager
    def _locked(self) -> Iterator[bool]:
        """Hold the lock, if nobody else does."""
        with FileIO(self._lock_path, "a") as lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                yield False
                return
            yield True
