"""PostgreSQL: a pool, and its errors told apart. Needs the extra `postgres`."""

import asyncio
import ssl
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from typing import Any

import asyncpg

from maskwatch_runtime import tls
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
    # When the rollback fails as well, why it was tried is further back.
    error = next((one for one in _history(error) if isinstance(one, asyncpg.PostgresError)), error)
    said = str(error) or type(error).__name__
    state = getattr(error, "sqlstate", None)
    if not state:
        return said
    advice = "; are its migrations run?" if state in _NOT_MIGRATED else ""
    return f"{said} (SQLSTATE {state}{advice})"


def _history(error: BaseException | None) -> Iterator[BaseException]:
    while error is not None:
        yield error
        error = error.__cause__ or error.__context__


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

        So is one that cannot write: after a fail-over it leads to the old primary for ever.

        Raises:
            Unavailable: The database is away, here or within the block.
            Misconfigured: It refuses the user, the password or the database's name.
        """
        async with translated():
            pool = await self._opened()
            async with pool.acquire(timeout=self._settings.postgres_timeout_s) as connection:
                try:
                    yield connection
                except (TimeoutError, asyncpg.ReadOnlySQLTransactionError):
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
        "ssl": _tls(settings),
        "timeout": settings.postgres_timeout_s,
        "command_timeout": settings.postgres_timeout_s,
    }


def _tls(settings: PostgresSettings) -> ssl.SSLContext | str:
    if settings.postgres_tls == "verify-full":
        return tls.client_context(settings.postgres_ca_file, setting="MASKWATCH_POSTGRES_CA_FILE")
    return settings.postgres_tls


@contextmanager
def _refusal_explained() -> Iterator[None]:
    try:
        yield
    except ssl.SSLError as error:
        raise Unavailable("postgres", tls.refusal(error, prefix="MASKWATCH_POSTGRES")) from error
    except ConnectionError as error:
        if "SSL upgrade" not in str(error):  # asyncpg has no class of its own for it
            raise
        said = f"the server speaks no TLS, MASKWATCH_POSTGRES_TLS asks for it: {error}"
        raise Unavailable("postgres", said) from error
    except (
        asyncpg.InvalidAuthorizationSpecificationError,
        asyncpg.InvalidCatalogNameError,
    ) as error:
        raise Misconfigured(
            "PostgreSQL refuses MASKWATCH_POSTGRES_USER, _PASSWORD, _DATABASE or _TLS: "
            + str(error)
        ) from error
