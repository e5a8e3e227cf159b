"""Faults of PostgreSQL that come from PostgreSQL itself: a second session, a setting, a full disk.

Each leaves ingress having heard the error it is named for, told by its SQLSTATE in the log, and the
database healed.
"""

import asyncio
import contextlib
import os
import subprocess
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from urllib.parse import urlsplit

import asyncpg

from faults.load import Shape
from faults.path import AlertPath

_POLL_S = 0.05
_HEARD_S = 60.0
_ALERTS = 20
_PICTURE_BYTES = 50_000
_DISK_BYTES = 2 * 1024 * 1024
_INGRESS = "usename = 'ingress' AND datname = current_database()"
_TERMINATE = f"SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity WHERE {_INGRESS}"  # noqa: S608
# For a row or a table: which replica publishes requests is an advisory lock, of no interest here.
_BLOCKED = "wait_event_type = 'Lock' AND wait_event <> 'advisory'"
_TERMINATE_WAITING = f"{_TERMINATE} AND {_BLOCKED}"
_WAITING = f"SELECT EXISTS (SELECT FROM pg_stat_activity WHERE {_INGRESS} AND {_BLOCKED})"  # noqa: S608
# What PostgreSQL says last, or, when that was not read any more, what the client says of it.
_SESSION_LOST = ("57P01", "57P03", "08003", "08006")
# Writing waits for it, reading does not.
_LOCK = "LOCK TABLE {table} IN SHARE ROW EXCLUSIVE MODE"


class Faults:
    """Everything that the archive's database does to ingress, one method a fault.

    Args:
        path: Its services are started, ingress among them.
    """

    def __init__(self, path: AlertPath) -> None:
        self._path = path
        self._database = urlsplit(path.dsn).path.lstrip("/")
        self._told = 0

    @property
    def all(self) -> dict[str, Callable[[], Awaitable[None]]]:
        """The faults by what they are called in the table; any order will do."""
        return {
            "connection killed in mid-transaction": self.kill_session,
            "deadlock": self.deadlock,
            "serialization failure": self.fail_to_serialise,
            "statement timeout": self.time_out_statements,
            "lock timeout": self.time_out_locks,
            "disk full": self.fill_disk,
            "read-only": self.be_read_only,
            "restart": self.restart,
            "too many connections": self.refuse_connections,
        }

    async def kill_session(self) -> None:
        async with self._session() as second, self._blocked(second):
            await second.execute(_TERMINATE_WAITING)
            await self._heard(*_SESSION_LOST)

    async def deadlock(self) -> None:
        """The second session waits for ingress, which waits for it; ingress gives in first."""
        async with self._defaults(deadlock_timeout="2s"), self._session() as second:
            await second.execute("SET deadlock_timeout = '60s'")
            async with self._blocked(second):
                await second.execute(_LOCK.format(table="alert"))
                await self._heard("40P01")

    async def fail_to_serialise(self) -> None:
        """A device's row changes under a snapshot in which it was another."""
        device = f"device-{_ALERTS}"  # not registered by this process before
        async with (
            self._defaults(default_transaction_isolation="repeatable read"),
            self._session() as second,
        ):
            await second.execute("INSERT INTO device (id) VALUES ($1)", device)
            async with second.transaction():
                await second.execute("UPDATE device SET type = 'x' WHERE id = $1", device)
                self._told = len(self._path.ingress.log())
                await self._path.load.block(_ALERTS, shape=Shape(devices=_ALERTS))
                await self._until(self._is_waiting)
            await self._heard("40001")

    async def time_out_statements(self) -> None:
        async with self._defaults(statement_timeout="1s"), self._session() as second:
            await second.execute("SET statement_timeout = 0")
            async with self._blocked(second):
                await self._heard("57014")

    async def time_out_locks(self) -> None:
        async with (
            self._defaults(lock_timeout="500ms"),
            self._session() as second,
            self._blocked(second),
        ):
            await self._heard("55P03")

    async def fill_disk(self) -> None:
        """The pictures lie on a file system of 2 MiB, until it grows."""
        async with self._small_disk() as disk:
            await self._load(pictures_bytes=_PICTURE_BYTES, count=2 * _DISK_BYTES // _PICTURE_BYTES)
            await self._heard("53100")
            _run("mount", "-o", f"remount,size={32 * _DISK_BYTES}", str(disk))
            assert await self._path.until_settled()  # noqa: S101 - else the disk cannot be taken

    async def be_read_only(self) -> None:
        """As an old primary after a fail-over: what is connected stays so, and cannot write.

        It is healed for new sessions only, as behind an address that moved to the new primary.
        """
        async with self._session() as second:
            await self._set(second, "default_transaction_read_only", "on")
            await second.execute("SET default_transaction_read_only = off")
            await second.execute(_TERMINATE)
            await self._load()
            await self._heard("25006")
            await self._reset(second, "default_transaction_read_only")

    async def restart(self) -> None:
        async with self._session() as second:
            with contextlib.suppress(asyncpg.PostgresError, OSError, asyncpg.InterfaceError):
                async with self._blocked(second):
                    await asyncio.to_thread(self._path.servers.postgres.restart)
        await self._heard(*_SESSION_LOST)

    async def refuse_connections(self) -> None:
        async with self._session() as second:
            await second.execute(f'ALTER DATABASE "{self._database}" CONNECTION LIMIT 0')
            await second.execute(_TERMINATE)
            await self._load()
            await self._heard("53300")
            await second.execute(f'ALTER DATABASE "{self._database}" CONNECTION LIMIT -1')

    # --- what they are made of ---

    @contextlib.asynccontextmanager
    async def _session(self) -> AsyncIterator[asyncpg.Connection]:
        connection = await asyncpg.connect(self._path.dsn)
        try:
            yield connection
        finally:
            with contextlib.suppress(asyncpg.PostgresError, OSError, asyncpg.InterfaceError):
                await connection.close()

    @contextlib.asynccontextmanager
    async def _blocked(self, second: asyncpg.Connection) -> AsyncIterator[None]:
        """Hold ingress inside its transaction: alerts are written, pictures have to wait."""
        async with second.transaction():
            await second.execute(_LOCK.format(table="image"))
            await self._load()
            await self._until(self._is_waiting)
            yield

    @contextlib.asynccontextmanager
    async def _defaults(self, **settings: str) -> AsyncIterator[None]:
        """Have these settings in every session of ingress."""
        async with self._session() as second:
            for name, value in settings.items():
                await self._set(second, name, value)
            await second.execute(_TERMINATE)
        yield
        async with self._session() as second:
            for name in settings:
                await self._reset(second, name)
            await second.execute(_TERMINATE)

    async def _set(self, second: asyncpg.Connection, name: str, value: str) -> None:
        await second.execute(f"ALTER DATABASE \"{self._database}\" SET {name} TO '{value}'")

    async def _reset(self, second: asyncpg.Connection, name: str) -> None:
        await second.execute(f'ALTER DATABASE "{self._database}" RESET {name}')

    @contextlib.asynccontextmanager
    async def _small_disk(self) -> AsyncIterator[Path]:
        disk = self._path.folder / "disk"
        disk.mkdir()
        _run("mount", "-t", "tmpfs", "-o", f"size={_DISK_BYTES},mode=0700", "tmpfs", str(disk))
        try:
            owner = self._path.servers.postgres.data.stat()
            os.chown(disk, owner.st_uid, owner.st_gid)
            async with self._session() as second:
                await second.execute(f"CREATE TABLESPACE {self._database} LOCATION '{disk}'")
                await second.execute(f"ALTER TABLE image SET TABLESPACE {self._database}")
                yield disk
                await second.execute("ALTER TABLE image SET TABLESPACE pg_default")
                await second.execute(f"DROP TABLESPACE {self._database}")
        finally:
            _run("umount", "--lazy", str(disk))

    async def _load(self, *, count: int = _ALERTS, pictures_bytes: int = 4_000) -> None:
        self._told = len(self._path.ingress.log())
        await self._path.load.block(count, shape=Shape(picture_bytes=pictures_bytes))

    async def _heard(self, *states: str) -> None:
        """Wait until ingress has logged an error of one of these SQLSTATEs since the last load."""

        async def is_heard() -> bool:
            log = self._path.ingress.log()[self._told :]
            return any(f"SQLSTATE {state}" in log for state in states)

        try:
            await self._until(is_heard)
        except TimeoutError:
            tail = self._path.ingress.log()[-3000:]
            raise TimeoutError(f"ingress heard of no {states}; log:\n{tail}") from None

    async def _is_waiting(self) -> object:
        # In a session of its own: a transaction sees pg_stat_activity as it first looked at it.
        return await self._path.fetchval(_WAITING)

    async def _until(self, condition: Callable[[], Awaitable[object]]) -> None:
        deadline_s = time.monotonic() + _HEARD_S
        while not await condition():
            if time.monotonic() > deadline_s:
                raise TimeoutError(f"not within {_HEARD_S:.0f} s: {condition.__name__}")
            await asyncio.sleep(_POLL_S)


def _run(*command: str) -> None:
    subprocess.run(command, check=True, capture_output=True, text=True)  # noqa: S603 - our own words
