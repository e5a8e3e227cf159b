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
    """The disk of an outbox, and a ballast on it: room to empty the log into the database when the
    disk is full, because rows can only be deleted through the log.

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
        """Take the room where it is there and as much again is left for the log; nothing happens on
        a disk that does not allow it.
        """  # noqa: D205 - one sentence
        if self.has_ballast or not self.ballast_bytes or self.free_bytes() < 2 * self.ballast_bytes:
            return
        with contextlib.suppress(OSError):
            try:
                with self._ballast.open("xb") as file:
                    os.posix_fallocate(file.fileno(), 0, self.ballast_bytes)
            except OSError:
                self.drop_ballast()

    @property
    def has_ballast(self) -> bool:
        return self._ballast.exists()

    def drop_ballast(self) -> None:
        """Give the room to whoever needs it.

        Raises:
            OSError: The disk does not let it go.
        """
        self._ballast.unlink(missing_ok=True)

    @property
    def _ballast(self) -> Path:
        return self.path.with_name(f"{self.path.name}-ballast")
