"""Kafka, PostgreSQL and the inbox together, under one folder."""

import fcntl
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import TracebackType
from typing import Self

from devstack.inbox import Inbox, InboxOptions
from devstack.kafka import Kafka
from devstack.postgres import Postgres


class FolderInUseError(RuntimeError):
    """Another running stack holds the folder."""


class Infrastructure:
    """The three servers that the services stand on; a context manager.

    ``with Infrastructure(folder) as infra: infra.kafka.bootstrap, infra.postgres.dsn(),
    infra.inbox.smtp_port, infra.inbox.url``. What a former run left behind in the folder is ended
    first and its data found again.

    Args:
        folder: Holds everything; made when absent.
        kafka_settings: See ``Kafka``.
        postgres_settings: See ``Postgres``.
        inbox_options: See ``Inbox``.
    """

    def __init__(
        self,
        folder: Path,
        *,
        kafka_settings: Mapping[str, str] | None = None,
        postgres_settings: Mapping[str, str] | None = None,
        inbox_options: InboxOptions | None = None,
    ) -> None:
        self.folder = folder.resolve()
        self.kafka = Kafka(self.folder / "kafka", settings=kafka_settings)
        self.postgres = Postgres(self.folder / "postgres", settings=postgres_settings)
        self.inbox = Inbox(self.folder / "inbox", options=inbox_options)

    @property
    def servers(self) -> tuple[Kafka, Postgres, Inbox]:
        return self.kafka, self.postgres, self.inbox

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self,
        _kind: type[BaseException] | None,
        _error: BaseException | None,
        _traceback: TracebackType | None,
    ) -> None:
        self.stop()

    def start(self) -> None:
        """Start the three at once and wait for all of them.

        Raises:
            FolderInUseError: Another stack runs in the folder.
            ProcessError: One did not come up; the others are stopped again.
            JarError: Kafka's archives cannot be had.
        """
        self.folder.mkdir(parents=True, exist_ok=True)
        self._lock()
        try:
            _all_at_once(*(server.start for server in self.servers))
        except BaseException:  # a Ctrl-C while they start, too
            self.stop()
            raise

    def stop(self) -> None:
        """Stop the three at once; nothing happens to one that does not run."""
        _all_at_once(*(server.stop for server in self.servers))
        self._lock_file.close()

    @staticmethod
    def check_free(folder: Path) -> None:
        """Make sure that no running stack holds the folder.

        Raises:
            FolderInUseError: One does.
        """
        with (folder / "lock").open("a", encoding="ascii") as lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                raise FolderInUseError(f"another stack runs in {folder}") from None

    def _lock(self) -> None:
        # The kernel gives the lock back however we end.
        self._lock_file = (self.folder / "lock").open("w", encoding="ascii")
        try:
            fcntl.flock(self._lock_file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            self._lock_file.close()
            raise FolderInUseError(f"another stack runs in {self.folder}") from None


def _all_at_once(*actions: Callable[[], None]) -> None:
    """Run all to their end; then raise what the first failing one raised."""
    with ThreadPoolExecutor(len(actions)) as pool:
        running = [pool.submit(action) for action in actions]
    for each in running:
        each.result()
