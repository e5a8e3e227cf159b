"""What Kafka, PostgreSQL and the inbox have in common: one process, started anew in its folder."""

from abc import ABC, abstractmethod
from collections.abc import Callable

from devstack.processes import Command, Process


class Server(ABC):
    """A server of one process, the same ports and data over every restart.

    Args:
        title: What a person calls it.
    """

    def __init__(self, title: str) -> None:
        self._title = title
        self._process: Process | None = None

    @property
    def process(self) -> Process:
        """The running server.

        Raises:
            RuntimeError: It was never started.
        """
        if self._process is None:
            raise RuntimeError(f"{self._title} is not started")
        return self._process

    @abstractmethod
    def start(self) -> None:
        """Start it and wait until it serves clients.

        Raises:
            ProcessError: It did not come up.
        """

    def stop(self) -> None:
        """End it in order; nothing happens when it does not run."""
        if self._process is not None:
            self._process.stop()

    def kill(self) -> None:
        """End it, and what it has started, as a crash would."""
        self.process.kill()

    def restart(self) -> None:
        """Stop it if it runs and start it anew on the same ports and data."""
        self.stop()
        self.start()

    def pause(self) -> None:
        """Freeze it: connections stay open and nothing answers."""
        self.process.pause()

    def resume(self) -> None:
        """Undo ``pause``."""
        self.process.resume()

    def _run(self, command: Command, is_up: Callable[[], bool], *, timeout_s: float) -> None:
        """Start the process and wait until it is up."""
        self._process = Process(command)
        self._process.wait_until(is_up, timeout_s=timeout_s)
