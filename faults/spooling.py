"""A writer process (`faults.writer`) from the outside."""

import json
import subprocess
import sys
from dataclasses import asdict
from pathlib import Path
from typing import IO

from faults.writer import Orders, Status

_ROOT = Path(__file__).resolve().parents[1]


class WriterProcess:
    """The detector's spool in a process of its own; ends with us.

    Args:
        outbox: The file.
        folder: Holds the history that `faults.load` keeps, and the log.
    """

    def __init__(self, outbox: Path, folder: Path) -> None:
        self._log = (folder / "writer.log").open("ab")
        self._process = subprocess.Popen(  # noqa: S603 - our own words
            [sys.executable, "-m", "faults.writer", str(outbox), str(folder / "history.jsonl")],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._log,
            cwd=_ROOT,
            text=True,
        )

    @property
    def pid(self) -> int:
        return self._process.pid

    @property
    def is_running(self) -> bool:
        return self._process.poll() is None

    def die(self, orders: Orders) -> int:
        """Have a writer killed in the middle; return the signal that ended it."""
        self._say(json.dumps({"do": "die", **asdict(orders)}))
        return int(self._hear())

    def begin(self, orders: Orders) -> None:
        """Write from now on."""
        self._say(json.dumps({"do": "write", **asdict(orders)}))

    def status(self) -> Status:
        """Return how it does."""
        self._say("status")
        return Status(**json.loads(self._hear()))

    def end(self) -> Status:
        """Let it store what it holds, and return what came of it."""
        self._say("end")
        return Status(**json.loads(self._hear()))

    def close(self) -> None:
        """End the process."""
        _pipe(self._process.stdin).close()
        try:
            self._process.wait(10)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        _pipe(self._process.stdout).close()
        self._log.close()

    def log(self) -> str:
        return Path(self._log.name).read_text(encoding="utf-8", errors="replace")

    def _say(self, line: str) -> None:
        pipe = _pipe(self._process.stdin)
        pipe.write(f"{line}\n")
        pipe.flush()

    def _hear(self) -> str:
        line = _pipe(self._process.stdout).readline()
        if not line:
            raise RuntimeError(f"the writer has ended; its log:\n{self.log()[-2000:]}")
        return line


def _pipe(pipe: IO[str] | None) -> IO[str]:
    if pipe is None:
        raise RuntimeError("the process has no pipes")
    return pipe
