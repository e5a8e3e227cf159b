"""Disks that are small or die: a file system in memory, an ext4 in a file. Both need root."""

import contextlib
import os
import shutil
import subprocess
from pathlib import Path

_MKFS = ("mkfs.ext4", "-q", "-F", "-E", "lazy_itable_init=0", "-m", "0")


class SmallDisk:
    """A file system of a few megabytes in memory, mounted at a folder.

    Args:
        folder: Made when absent.
        size_bytes: What it holds.
    """

    def __init__(self, folder: Path, *, size_bytes: int) -> None:
        self.folder = folder
        folder.mkdir(parents=True, exist_ok=True)
        _run("mount", "-t", "tmpfs", "-o", f"size={size_bytes},mode=755", "tmpfs", str(folder))

    def fill(self, *, left_bytes: int = 0) -> int:
        """Take all room but so much, as another program would; return how much that was."""
        wanted, taken = bytes(max(0, self.free_bytes() - left_bytes)), 0
        with self._foreign.open("ab", buffering=0) as file, contextlib.suppress(OSError):
            # Another process may have taken some meanwhile: then a part is written, then nothing.
            while taken < len(wanted):
                taken += file.write(wanted[taken:])
        return taken

    def give_back(self) -> None:
        """Undo `fill`."""
        self._foreign.unlink(missing_ok=True)

    def free_bytes(self) -> int:
        disk = os.statvfs(self.folder)
        return disk.f_bavail * disk.f_frsize

    def close(self) -> None:
        """Unmount it; what still has files open there keeps them until it ends."""
        _run("umount", "--lazy", str(self.folder))

    @property
    def _foreign(self) -> Path:
        return self.folder / "another-program.bin"


class Card:
    """An SD card: an ext4 in a file, that can die as cards do.

    Args:
        image: The file; made here.
        folder: Where it is mounted; made when absent.
    """

    def __init__(self, image: Path, folder: Path, *, size_bytes: int = 32 * 1024 * 1024) -> None:
        self.folder = folder
        self._image = image
        self._mounts = 0
        folder.mkdir(parents=True, exist_ok=True)
        with image.open("wb") as file:
            file.truncate(size_bytes)
        _run(*_MKFS, str(image))
        self._mount()

    def die(self) -> None:
        """Let the kernel give the file system up, as after an error of the card: from now on it is
        read-only, for files that are open, too.
        """  # noqa: D205 - one sentence
        _run("mount", "-o", "remount,abort", str(self.folder))

    def replace(self) -> None:
        """Put a copy in its place, the journal played back: as a card that is put in again."""
        # The same file would be the same file system, given up, while anybody has it open. Mounted
        # above the dead one: in between there would be a folder that takes what is stored.
        fresh = self._image.with_suffix(f"{self._image.suffix}.again")
        shutil.copyfile(self._image, fresh)
        self._image = fresh
        self._mount()

    def close(self) -> None:
        """Unmount it; what still has files open there keeps the dead ones."""
        while self._mounts:
            self._mounts -= 1
            _run("umount", "--lazy", str(self.folder))

    def _mount(self) -> None:
        _run("mount", "-o", "loop", str(self._image), str(self.folder))
        self._mounts += 1


def _run(*command: str) -> None:
    done = subprocess.run(command, capture_output=True, text=True, check=False)  # noqa: S603 - our own words
    if done.returncode:
        raise OSError(f"{' '.join(command)}: {done.stderr.strip()}")
