"""Bringing a database's schema up to date: a step of its own, never at a service's start.

Each package keeps its migrations in `<package>/migrations` and its own version table.
Needs the extra `postgres`.
"""

import asyncio
import ssl
from pathlib import Path
from typing import TYPE_CHECKING

import structlog

from maskwatch_runtime.errors import Unavailable
from maskwatch_runtime.retry import Backoff, until_available
from maskwatch_runtime.settings import PostgresSettings

if TYPE_CHECKING:
    import sqlalchemy

_log = structlog.get_logger()
_WAIT_CAP_S = 5.0


async def run(
    settings: PostgresSettings, *, folder: Path, version_table: str, stop: asyncio.Event
) -> None:
    """Bring the schema up to date; waits for the database.

    Raises:
        Unavailable: It was still away when `stop` was set.
    """

    async def upgraded() -> None:
        await asyncio.to_thread(upgrade, settings, folder=folder, version_table=version_table)

    await until_available(upgraded, backoff=Backoff(cap_s=_WAIT_CAP_S), stop=stop)
    _log.info("schema is up to date", action="migrate")


def upgrade(settings: PostgresSettings, *, folder: Path, version_table: str) -> None:
    """Run the migrations that are missing, each in a transaction, one migrator at a time.

    Raises:
        Unavailable: The database is away.
    """
    # Here: a service that runs never migrates, and these take half of its start and memory.
    import sqlalchemy  # noqa: PLC0415

    url = sqlalchemy.URL.create(
        "postgresql+psycopg",
        username=settings.postgres_user,
        password=settings.postgres_password.get_secret_value(),
        host=settings.postgres_host,
        port=settings.postgres_port,
        database=settings.postgres_database,
        query={"connect_timeout": "10", **_tls(settings)},
    )
    engine = sqlalchemy.create_engine(url, poolclass=sqlalchemy.NullPool)
    try:
        with engine.begin() as connection:
            # Two jobs started at once: the second waits and finds nothing left to do.
            connection.execute(
                sqlalchemy.text("SELECT pg_advisory_xact_lock(hashtext(:name))"),
                {"name": version_table},
            )
            _upgrade(connection, folder, version_table)
    except sqlalchemy.exc.OperationalError as error:
        raise Unavailable("postgres", str(error.orig)) from error


def _tls(settings: PostgresSettings) -> dict[str, str]:
    """Return the same as `postgres.connect` has, in libpq's terms."""
    if settings.postgres_tls != "verify-full":
        return {"sslmode": settings.postgres_tls}
    # libpq's own "system" asks the OpenSSL that the wheel was built with, which knows other places.
    authorities = settings.postgres_ca_file or ssl.get_default_verify_paths().cafile or "system"
    return {"sslmode": "verify-full", "sslrootcert": str(authorities)}


def _upgrade(connection: "sqlalchemy.Connection", folder: Path, version_table: str) -> None:
    from alembic import command  # noqa: PLC0415 - as above
    from alembic.config import Config  # noqa: PLC0415

    config = Config()
    config.set_main_option("script_location", str(folder))
    # The package's env.py takes both from here.
    config.attributes.update(connection=connection, version_table=version_table)
    command.upgrade(config, "head")
