"""What stands behind a device's outbox, as processes: dispatcher, Kafka, ingress, PostgreSQL."""

import asyncio
import sqlite3
import time
from contextlib import closing
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import asyncpg
from devstack.stack import Infrastructure
from devstack.system import Options, System

_READY_S = 60.0
# Nothing has come for so long: the rest is lost.
_STILL_S = 60.0
_POLL_S = 0.5


class Chain:
    """Publishes and archives what an outbox holds; a context manager.

    Its calls block: an event loop makes them in a thread.

    Args:
        folder: Takes everything; others may pass through it, PostgreSQL may run as nobody.
        outbox_path: Where a detector or a gateway puts its events.

    Attributes:
        infra: The servers, with their folders.
    """

    def __init__(self, folder: Path, outbox_path: Path) -> None:
        for each in (folder, outbox_path.parent):
            each.mkdir(parents=True, exist_ok=True)
        self.infra = Infrastructure(folder)
        self._outbox_path = outbox_path
        outbox = {"dispatcher": {"MASKWATCH_OUTBOX_PATH": str(outbox_path)}}
        self._system = System(self.infra, Options(settings=outbox))

    def __enter__(self) -> Self:
        self.infra.start()
        try:
            self._system.prepare()
            services = (self._system.dispatcher, self._system.ingress)
            for service in services:
                service.begin()
            for service in services:
                service.process.wait_until(service.is_ready, timeout_s=_READY_S)
        except BaseException:
            self.__exit__(None, None, None)
            raise
        return self

    def __exit__(
        self,
        _kind: type[BaseException] | None,
        _error: BaseException | None,
        _traceback: TracebackType | None,
    ) -> None:
        self._system.stop()
        self.infra.stop()

    @property
    def dsn(self) -> str:
        """The archive's address for the superuser."""
        return self._system.dsn()

    @property
    def log_folder(self) -> Path:
        """Where the services log."""
        return self._system.folder

    def alerts(self) -> list[str]:
        """Return the event id of each row of the table `alert`."""
        return [str(row[0]) for row in self.rows("SELECT event_id FROM alert")]

    def device_events(self) -> list[tuple[str, str]]:
        """Return event id and kind of each row of the table `device_event`."""
        rows = self.rows("SELECT event_id, kind FROM device_event")
        return [(str(row[0]), str(row[1])) for row in rows]

    def settle(self) -> float:
        """Wait until the archive holds as much as the outbox, or nothing more comes.

        Returns:
            The seconds until the last row came.
        """
        began_s = moved_s = time.monotonic()
        made, seen = self._made(), -1
        while seen < made and time.monotonic() - moved_s < _STILL_S:
            (row,) = self.rows(
                "SELECT (SELECT count(*) FROM alert) + (SELECT count(*) FROM device_event)"
            )
            if row[0] > seen:
                seen, moved_s = row[0], time.monotonic()
            if seen < made:
                time.sleep(_POLL_S)  # between two looks
            made = self._made()
        return moved_s - began_s

    def rows(self, query: str) -> list[tuple[Any, ...]]:
        """Return what a query finds in the archive."""
        return asyncio.run(_fetched(self.dsn, query))

    def _made(self) -> int:
        address = f"file:{self._outbox_path}?mode=ro"
        with closing(sqlite3.connect(address, uri=True, timeout=10)) as outbox:
            query = "SELECT (SELECT count(*) FROM alert) + (SELECT count(*) FROM device_event)"
            return int(outbox.execute(query).fetchone()[0])


async def _fetched(dsn: str, query: str) -> list[tuple[Any, ...]]:
    connection = await asyncpg.connect(dsn)
    try:
        return [tuple(row) for row in await connection.fetch(query)]
    finally:
        await connection.close()
