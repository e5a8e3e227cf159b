import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass
from urllib.parse import urlsplit
from uuid import uuid4

import asyncpg
import pytest
from devstack import kafka as broker
from devstack.postgres import Postgres
from ingress import app
from ingress.settings import IngressSettings, MigrateSettings
from maskwatch_runtime import migrations
from pydantic import SecretStr

_TEMPLATE = "ingress_template"
_PASSWORD = "invented"


def migrate(dsn: str) -> None:
    """Run the migrations as `python -m ingress migrate` does."""
    address = urlsplit(dsn)
    settings = MigrateSettings(
        postgres_host=address.hostname or "",
        postgres_port=address.port or 0,
        postgres_database=address.path.lstrip("/"),
        postgres_user=address.username or "",
        postgres_password=SecretStr(address.password or ""),
        postgres_tls="disable",
    )
    migrations.upgrade(settings, folder=app.MIGRATIONS, version_table=app.VERSION_TABLE)


@pytest.fixture(scope="session")
def database_template(postgres_server: Postgres) -> str:
    """A migrated database; users of each role exist in the cluster, named after it."""

    async def prepare() -> None:
        migrate(await postgres_server.create_database(_TEMPLATE))
        connection = await asyncpg.connect(postgres_server.dsn())
        try:
            for role in ("maskwatch_ingress", "maskwatch_notifier", "analyst"):
                await postgres_server.create_role(f"{role}_user", password=_PASSWORD)
                await connection.execute(f"GRANT {role} TO {role}_user")
        finally:
            await connection.close()

    asyncio.run(prepare())
    return _TEMPLATE


def as_user(dsn: str, user: str) -> str:
    """Return the address of the same database for one of the template's users."""
    address = urlsplit(dsn)
    return f"postgresql://{user}:{_PASSWORD}@{address.hostname}:{address.port}{address.path}"


@dataclass(frozen=True, slots=True)
class Topics:
    """Topics of one test alone."""

    alerts: str
    dead_letters: str
    requests: str


@pytest.fixture
async def own_topics(kafka: str) -> Topics:
    suffix = uuid4().hex[:8]
    names = Topics(f"alerts-{suffix}", f"dead-{suffix}", f"requests-{suffix}")
    configs = {"max.message.bytes": str(8 * 1024 * 1024)}
    await broker.create_topics(
        kafka,
        [
            broker.Topic(name=names.alerts, partitions=2, configs=configs),
            broker.Topic(name=names.dead_letters, configs=configs),
            broker.Topic(name=names.requests),
        ],
    )
    return names


@pytest.fixture
def settings(database: str, kafka: str) -> IngressSettings:
    """The service's settings, as a user who has nothing but the service's role."""
    address = urlsplit(database)
    return IngressSettings(
        kafka_bootstrap=kafka,
        kafka_timeout_s=5.0,
        consumer_group=f"ingress-{uuid4().hex[:8]}",
        postgres_host=address.hostname or "",
        postgres_port=address.port or 0,
        postgres_database=address.path.lstrip("/"),
        postgres_user="maskwatch_ingress_user",
        postgres_password=SecretStr(_PASSWORD),
        postgres_tls="disable",
        postgres_timeout_s=5.0,
    )


@pytest.fixture
async def archive_database(database: str) -> AsyncIterator[asyncpg.Connection]:
    """The superuser's connection to this test's database."""
    connection = await asyncpg.connect(database)
    yield connection
    await connection.close()
