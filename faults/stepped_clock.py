"""A wall clock that is set while a process runs; see stepped_clock.c."""

import mmap
import struct
import subprocess
from datetime import timedelta
from pathlib import Path

_SOURCE = Path(__file__).with_name("stepped_clock.c")


class SteppedClock:
    """The clock of one process, wrong by `offset`, believed to be right or not.

    Args:
        folder: Takes the library and the file that it reads.
    """

    def __init__(self, folder: Path) -> None:
        self._library = folder / "stepped_clock.so"
        self._file = folder / "stepped_clock"
        command = ("cc", "-O2", "-shared", "-fPIC", "-o", self._library, _SOURCE, "-ldl")
        subprocess.run(command, check=True, capture_output=True)  # noqa: S603 - our own words
        self._file.write_bytes(bytes(16))
        with self._file.open("r+b") as file:
            self._told = mmap.mmap(file.fileno(), 16)

    @property
    def environment(self) -> dict[str, str]:
        """What the process needs to have this clock."""
        return {"LD_PRELOAD": str(self._library), "STEPPED_CLOCK": str(self._file)}

    def set(self, offset: timedelta, *, is_in_step: bool) -> None:
        """Set the clock to the true time and so much, and say whether a time service did it."""
        nanoseconds = round(offset.total_seconds()) * 1_000_000_000
        self._told[:] = struct.pack("=qq", nanoseconds, is_in_step)
