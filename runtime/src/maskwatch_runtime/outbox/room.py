"""What the outbox's disk still takes."""

import contextlib
import os
from dataclasses import dataclass
from pathlib import Path

from maskwatch_runtime.errors import Unavailable


def check_writable(path: Path) -> None:
    """Find out whether the disk can be written, without wearing it.

    A card that dies is often made read-only by the kernel while files are open. Opening one for
    writing says so, where the file system's own flags do not. It is the lock's file, because
    closing the database would take away the locks that SQLite has on it.

    Raises:
        Unavailable: It cannot.
    """
    try:
        os.close(os.open(path.with_name(f"{path.name}-open.lock"), os.O_RDWR | os.O_CREAT, 0o644))
    except OSError as error:
        raise Unavailable("outbox", f"{path}: {error.strerror}") from error


@dataclass(frozen=True)
class Disk:
    """The disk of an outbox, and a ballast on it: room to delete rows when it is full, which needs
    some, because what is deleted goes through the log.

    Attributes:
        path: The outbox; the ballast lies beside it.
        ballast_bytes: What is kept; 0: nothing.
    """  # noqa: D205 - one sentence

    path: Path
    ballast_bytes: int = 8 * 1024 * 1024

    def free_bytes(self) -> int:
        """Return what a service may still take, without the ballast.

        Raises:
            Unavailable: The disk is gone.
        """
        try:
            disk = os.statvfs(self.path.absolute().parent)
        except OSError as error:
            raise Unavailable("outbox", f"{self.path}: {error.strerror}") from error
        return disk.f_bavail * disk.f_frsize

    def keep_ballast(self) -> None:
        """Take the room where it is there; nothing happens on a disk that does not allow it."""
        if self._ballast.exists() or not self.ballast_bytes:
            return
        try:
            with self._ballast.open("xb") as file:
                os.posix_fallocate(file.fileno(), 0, self.ballast_bytes)
        except OSError:
            self.drop_ballast()

    def drop_ballast(self) -> None:
        """Give the room to whoever needs it."""
        with contextlib.suppress(OSError):
            self._ballast.unlink(missing_ok=True)

    @property
    def _ballast(self) -> Path:
        return self.path.with_name(f"{self.path.name}-ballast")
