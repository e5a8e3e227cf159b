"""One checkpointer at a time, whichever programs have the outbox open.

SQLite before 3.51.3 can corrupt a WAL file when two processes checkpoint at once, so automatic
checkpoints are off and whoever holds the lock beside the database makes them. The lock goes back
with its process, however that ends. Source: sqlite.org, release history of 3.51.3.
"""

import fcntl
import sqlite3
from io import FileIO
from pathlib import Path

_WAL_BYTES = 4 * 1024 * 1024


class Checkpointer:
    """Moves the WAL into the database once it has grown, if no other process is doing so.

    Args:
        path: The database.
        wal_bytes: From this size of the WAL on there is enough to move.
    """

    def __init__(self, path: Path, *, wal_bytes: int = _WAL_BYTES) -> None:
        self._wal_bytes = wal_bytes
        self._wal = path.with_name(path.name + "-wal")
        self._lock_path = path.with_name(path.name + "-checkpoint.lock")
        self._lock: FileIO | None = None

    def checkpoint(self, connection: sqlite3.Connection) -> bool:
        """Checkpoint when there is enough to move; return whether it was done."""
        if not self._is_due() or not self._is_ours():
            return False
        busy, _, _ = connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
        return not busy

    def close(self) -> None:
        if self._lock is not None:
            self._lock.close()
            self._lock = None

    def _is_due(self) -> bool:
        try:
            return self._wal.stat().st_size >= self._wal_bytes
        except FileNotFoundError:
            return False

    def _is_ours(self) -> bool:
        if self._lock is not None:
            return True
        lock = FileIO(self._lock_path, "a")
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            lock.close()
            return False
        self._lock = lock
        return True
