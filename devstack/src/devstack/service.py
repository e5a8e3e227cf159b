"""One of Maskwatch's services as a process."""

import os
import sys
from collections.abc import Mapping
from pathlib import Path

import httpx

from devstack import ports, processes
from devstack.processes import Command, Process

_READY_TIMEOUT_S = 30.0
_STEP_TIMEOUT_S = 60.0


class Service:
    """A service that can be started, stopped, killed and asked for its health.

    Args:
        name: Its package: `edge_detector`, `dispatcher`, `ingress` or `notifier`.
        folder: Takes its log and its pid file.
        settings: Its MASKWATCH_ variables; the admin port is picked here.
        label: Tells replicas of one service apart; its name by default.
        launcher: A module that starts the service's own, and its arguments.
    """

    def __init__(
        self,
        name: str,
        folder: Path,
        settings: Mapping[str, str],
        *,
        label: str | None = None,
        launcher: tuple[str, ...] = (),
    ) -> None:
        self.name = name
        (self.admin_port,) = ports.free(1)
        self._settings = {**settings, "MASKWATCH_ADMIN_PORT": str(self.admin_port)}
        self._folder = folder
        self._label = label or name
        self._launcher = launcher
        self._process: Process | None = None

    @property
    def label(self) -> str:
        return self._label

    @property
    def admin_url(self) -> str:
        return f"http://{ports.LOOPBACK}:{self.admin_port}"

    @property
    def process(self) -> Process:
        """The running process.

        Raises:
            RuntimeError: It was never started.
        """
        if self._process is None:
            raise RuntimeError(f"{self._label} is not started")
        return self._process

    @property
    def is_running(self) -> bool:
        return self._process is not None and self._process.is_running

    def begin(self) -> None:
        """Start it without waiting."""
        self._process = Process(self._command("run"))

    def start(self) -> None:
        """Start it and wait until it is ready.

        Raises:
            ProcessError: It ended or did not get ready; the message holds the end of its log.
        """
        self.begin()
        self.process.wait_until(self.is_ready, timeout_s=_READY_TIMEOUT_S)

    def step(self, command: str) -> None:
        """Run one of its one-shot steps, such as `migrate`, to its end.

        Raises:
            ProcessError: The step failed.
        """
        processes.run(self._command(command), timeout_s=_STEP_TIMEOUT_S)

    def stop(self) -> int:
        """Ask it to end and return its exit status."""
        return self.process.stop()

    def kill(self) -> None:
        """End it as a crash would."""
        self.process.kill()

    def is_ready(self) -> bool:
        return self._status("/health/ready") == httpx.codes.OK

    def is_live(self) -> bool:
        return self._status("/health/live") == httpx.codes.OK

    def metric(self, name: str) -> float:
        """Return the sum of a metric over its labels.

        Raises:
            KeyError: There is none of this name.
        """
        text = httpx.get(f"{self.admin_url}/metrics", timeout=5).text
        found = [
            float(line.rpartition(" ")[2])
            for line in text.splitlines()
            if line.partition(" ")[0].partition("{")[0] == name
        ]
        if not found:
            raise KeyError(name)
        return sum(found)

    def log(self) -> str:
        """Everything that it has written."""
        return self._command("run").log_file.read_text(encoding="utf-8", errors="replace")

    def _status(self, path: str) -> int:
        try:
            return httpx.get(f"{self.admin_url}{path}", timeout=2).status_code
        except httpx.TransportError:
            return 0

    def _command(self, command: str) -> Command:
        inherited = {
            name: value for name, value in os.environ.items() if not name.startswith("MASKWATCH_")
        }
        return Command(
            name=self._label if command == "run" else f"{self._label}-{command}",
            argv=(sys.executable, "-m", *self._launcher, self.name, command),
            folder=self._folder,
            env=inherited | self._settings,
        )
