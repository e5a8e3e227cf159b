"""Child processes that never outlive us, and that can be stopped, killed, paused and resumed."""

import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from devstack import keeper

User = Literal["same", "namespace", "nobody"]
_KEEPER_START_S = 10.0
_LEFTOVER_END_S = 10.0
_POLL_S = 0.02
_LOG_TAIL_CHARACTERS = 2_000


class ProcessError(RuntimeError):
    """A child process did not start or ended early; the message holds the end of its log."""


@dataclass(frozen=True, kw_only=True)
class Command:
    """What to run and how to end it.

    Attributes:
        name: One word; the pid file is ``NAME.pid`` and the log ``NAME.log``.
        folder: Where the pid file and the log lie; made when absent.
        env: The whole environment; None inherits ours.
        user: Who runs it: ``same`` as we, or no longer root (see ``keeper``).
        stop_signal: Asks for an orderly end.
        stop_timeout_s: Seconds after which an orderly end is given up and the process killed.
    """

    name: str
    argv: tuple[str, ...]
    folder: Path
    env: Mapping[str, str] | None = field(default=None, repr=False)
    user: User = "same"
    stop_signal: signal.Signals = signal.SIGTERM
    stop_timeout_s: float = 15.0

    @property
    def pid_file(self) -> Path:
        return self.folder / f"{self.name}.pid"

    @property
    def log_file(self) -> Path:
        return self.folder / f"{self.name}.log"


class Process:
    """One run of a command under a keeper; however we end, it and its descendants end with us.

    Keep the object: the command ends with it as well.
    """

    def __init__(self, command: Command) -> None:
        """Start it.

        Raises:
            ProcessError: It could not be started.
        """
        self.command = command
        command.folder.mkdir(parents=True, exist_ok=True)
        end_leftover(command.pid_file)
        self._lifeline, theirs = socket.socketpair()
        with theirs, command.log_file.open("ab") as log:
            self._keeper = subprocess.Popen(
                [*_KEEPER, str(command.pid_file), str(os.getpid()), command.user, *command.argv],
                stdin=theirs.fileno(),
                stdout=log,
                stderr=log,
                env=command.env,
                # A terminal's Ctrl-C must reach us alone: we end the servers, in order.
                start_new_session=True,
            )
        self._server = self._read_identity()

    @property
    def pid(self) -> int:
        """The server's process number (not the keeper's)."""
        return self._server.pid

    @property
    def is_running(self) -> bool:
        return self._keeper.poll() is None

    @property
    def exit_status(self) -> int | None:
        """The server's exit status, 128 + n when signal n ended it; None while it runs."""
        return self._keeper.poll()

    def wait(self, timeout_s: float | None = None) -> int:
        """Wait until the server and its descendants are gone; give the exit status.

        Raises:
            TimeoutError: It still runs.
        """
        try:
            status = self._keeper.wait(timeout_s)
        except subprocess.TimeoutExpired:
            raise TimeoutError(f"{self.command.name} still runs after {timeout_s} s") from None
        self._lifeline.close()
        return status

    def stop(self) -> int:
        """End it in order, or by force when that takes longer than its limit."""
        self.signal(self.command.stop_signal)
        self.resume()  # a paused process sees the signal only now
        try:
            return self.wait(self.command.stop_timeout_s)
        except TimeoutError:
            return self.kill()

    def kill(self) -> int:
        """End it at once as a crash would (SIGKILL), its descendants with it."""
        self.signal(signal.SIGKILL)
        return self.wait()

    def pause(self) -> None:
        """Freeze it and its descendants (SIGSTOP): connections stay open and nobody answers."""
        self.signal(signal.SIGSTOP)
        for pid in keeper.descendants(self.pid):
            _signal(pid, signal.SIGSTOP)

    def resume(self) -> None:
        """Undo ``pause``."""
        for pid in reversed(keeper.descendants(self.pid)):
            _signal(pid, signal.SIGCONT)
        self.signal(signal.SIGCONT)

    def signal(self, number: signal.Signals) -> None:
        """Send a signal to the server itself; nothing happens when it has ended."""
        if self._server.is_alive():
            _signal(self._server.pid, number)

    def log_tail(self) -> str:
        """The end of the log, for error messages."""
        return read_tail(self.command.log_file)

    def wait_until(self, condition: Callable[[], bool], *, timeout_s: float) -> None:
        """Poll a condition until it holds.

        Raises:
            ProcessError: The process ended, or was killed here after this time without it.
        """
        deadline = time.monotonic() + timeout_s
        while not condition():
            if not self.is_running:
                why = f"ended with status {self.exit_status}"
            elif time.monotonic() > deadline:
                why = f"was not ready after {timeout_s:.0f} s"
            else:
                time.sleep(_POLL_S)
                continue
            self.kill()
            raise ProcessError(f"{self.command.name} {why}; its log ends:\n{self.log_tail()}")

    def _read_identity(self) -> keeper.Identity:
        self._lifeline.settimeout(_KEEPER_START_S)
        try:
            with self._lifeline.makefile("r", encoding="utf-8") as lines:
                report = json.loads(lines.readline() or "{}")
            return keeper.Identity(*report["server"])
        except (OSError, KeyError) as error:
            self._lifeline.close()
            status = self._keeper.wait()
            reason = report.get("error", self.log_tail()) if isinstance(error, KeyError) else error
            name = self.command.name
            raise ProcessError(f"{name} did not start (status {status}): {reason}") from None


_KEEPER = (sys.executable, "-I", "-S", keeper.__file__)


def run(command: Command, *, timeout_s: float) -> None:
    """Run a command to its end.

    Raises:
        ProcessError: It failed or took longer; the message holds the end of its log.
    """
    process = Process(command)
    try:
        status = process.wait(timeout_s)
    except TimeoutError as error:
        process.kill()
        raise ProcessError(str(error)) from None
    if status != 0:
        tail = process.log_tail()
        raise ProcessError(f"{command.name} failed with status {status}; its log ends:\n{tail}")


def end_leftover(pid_file: Path) -> None:
    """End what a former run left behind, when the pid file's process is still the same one."""
    try:
        record = json.loads(pid_file.read_text(encoding="utf-8"))
        parties = [keeper.Identity(*record[party]) for party in ("keeper", "server")]
    except FileNotFoundError:
        return
    except (ValueError, KeyError, TypeError):
        parties = []  # a torn or foreign file names nobody whom we may end
    # The keeper ends the server's descendants too; the server comes second for a dead keeper.
    for party, number in zip(parties, (signal.SIGTERM, signal.SIGKILL), strict=False):
        if party.is_alive():
            _signal(party.pid, number)
            _wait_for_end(party)
    pid_file.unlink(missing_ok=True)


def read_tail(log_file: Path) -> str:
    """The last lines of a log; empty when there is none."""
    try:
        return log_file.read_text(encoding="utf-8", errors="replace")[-_LOG_TAIL_CHARACTERS:]
    except FileNotFoundError:
        return ""


def _wait_for_end(party: keeper.Identity) -> None:
    deadline = time.monotonic() + _LEFTOVER_END_S
    while party.is_alive() and time.monotonic() < deadline:
        time.sleep(_POLL_S)


def _signal(pid: int, number: signal.Signals) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, number)
