"""PostgreSQL: a pool, and its errors told apart. Needs the extra `postgres`."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from typing import Any

import asyncpg

from maskwatch_runtime.errors import Misconfigured, Unavailable
from maskwatch_runtime.settings import PostgresSettings

# SQLSTATE classes after which the same statement may succeed: connection, transaction rollback
# (serialization, deadlock), resources, intervention by an operator, system error.
# Source: PostgreSQL manual, appendix A.
_TRANSIENT_CLASSES = ("08", "40", "53", "57", "58")
_READ_ONLY, _LOCK_NOT_AVAILABLE = "25006", "55P03"  # while failing over; while migrating
# Table, column, function: the migrations, a step of their own, have not been run yet.
_NOT_MIGRATED = ("42P01", "42703", "42883")


def is_transient(error: BaseException) -> bool:
    """Return whether trying again later may help."""
    if isinstance(error, asyncpg.InvalidCachedStatementError):
        return True  # migrated under a prepared statement, which asyncpg has dropped by now
    if isinstance(error, asyncpg.PostgresError):
        state = error.sqlstate or ""
        return state[:2] in _TRANSIENT_CLASSES or state in (
            _READ_ONLY,
            _LOCK_NOT_AVAILABLE,
            *_NOT_MIGRATED,
        )
    if isinstance(error, asyncpg.InterfaceError | asyncpg.InternalClientError):
        # The connection was lost under the statement. asyncpg calls it an internal error when the
        # server's farewell came between a statement's preparation and its execution.
        return True
    return isinstance(error, OSError | TimeoutError)


@asynccontextmanager
async def translated() -> AsyncIterator[None]:
    """Turn what may pass into Unavailable; everything else goes through as it is.

    Raises:
        Misconfigured: The user lacks a right that the service needs.
    """
    try:
        yield
    except asyncpg.InsufficientPrivilegeError as error:
        raise Misconfigured(
            f"PostgreSQL: {error}; is MASKWATCH_POSTGRES_USER granted the service's role?"
        ) from error
    except (
        asyncpg.PostgresError,
        asyncpg.InterfaceError,
        asyncpg.InternalClientError,
        OSError,
        TimeoutError,
    ) as error:
        if not is_transient(error):
            raise
        raise Unavailable("postgres", _reason(error)) from error


def _reason(error: BaseException) -> str:
    said = str(error) or type(error).__name__
    state = getattr(error, "sqlstate", None)
    return f"{said} (are its migrations run?)" if state in _NOT_MIGRATED else said


class Pool:
    """Connections to one database, made when first needed, so that a service starts without it."""

    def __init__(self, settings: PostgresSettings, *, size: int) -> None:
        self._settings = settings
        self._size = size
        self._pool: asyncpg.Pool | None = None
        self._opening = asyncio.Lock()

    @asynccontextmanager
    async def connection(self) -> AsyncIterator[asyncpg.pool.PoolConnectionProxy]:
        """Lend a connection; it is closed, not lent again, when what it was used for timed out.

        Raises:
            Unavailable: The database is away, here or within the block.
            Misconfigured: It refuses the user, the password or the database's name.
        """
        async with translated():
            pool = await self._opened()
            async with pool.acquire(timeout=self._settings.postgres_timeout_s) as connection:
                try:
                    yield connection
                except TimeoutError:
                    connection.terminate()
                    raise

    async def close(self) -> None:
        pool, self._pool = self._pool, None
        if pool is None:
            return
        try:
            await asyncio.wait_for(pool.close(), 3.0)
        except TimeoutError:
            pool.terminate()

    async def _opened(self) -> asyncpg.Pool:
        async with self._opening:
            if self._pool is None:
                self._pool = await self._open()
            return self._pool

    async def _open(self) -> asyncpg.Pool:
        with _refusal_explained():
            return await asyncpg.create_pool(
                min_size=1,
                max_size=self._size,
                reset=_leave_session_as_it_is,
                **_options(self._settings),
            )


async def _leave_session_as_it_is(_: asyncpg.Connection) -> None:
    """Save a round trip per loan: an open transaction is rolled back all the same.

    Nothing else may be left behind on a pool's connection: who listens, locks a session or sets
    its variables uses `connect`.
    """


async def connect(settings: PostgresSettings) -> asyncpg.Connection:
    """Return a connection of one's own, to listen on or to hold a session's lock; close it.

    Raises:
        Unavailable: The database is away.
        Misconfigured: It refuses the user, the password or the database's name.
    """
    async with translated():
        with _refusal_explained():
            return await asyncpg.connect(**_options(settings))


def _options(settings: PostgresSettings) -> dict[str, Any]:
    return {
        "host": settings.postgres_host,
        "port": settings.postgres_port,
        "database": settings.postgres_database,
        "user": settings.postgres_user,
        "password": settings.postgres_password.get_secret_value(),
        "ssl": settings.postgres_tls,
        "timeout": settings.postgres_timeout_s,
        "command_timeout": settings.postgres_timeout_s,
    }


@contextmanager
def _refusal_explained() -> Iterator[None]:
    try:
        yield
    except (
        asyncpg.InvalidAuthorizationSpecificationError,
        asyncpg.InvalidCatalogNameError,
    ) as error:
        raise Misconfigured(
            "PostgreSQL refuses MASKWATCH_POSTGRES_USER, _PASSWORD or _DATABASE: " + str(error)
        ) from error
