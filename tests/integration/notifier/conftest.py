import asyncio
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from uuid import uuid4

import asyncpg
import pytest
from aiokafka import AIOKafkaProducer
from aiokafka.admin import AIOKafkaAdminClient
from devstack.inbox import Inbox, Tls
from devstack.postgres import Postgres
from devstack.service import Service
from maskwatch_runtime.kafka import topics
from maskwatch_runtime.settings import KafkaSettings

from tests.integration.notifier import certificate as certificates
from tests.integration.notifier.archive import DEADLINE_S, Archive
from tests.integration.notifier.replicas import Replicas
from tests.integration.notifier.scripted_server import ScriptedServer
from tests.integration.notifier.services import Services
from tests.integration.notifier.settings import PASSWORD, as_notifier, postgres_settings

_TEMPLATE = "notifier_template"


@pytest.fixture(scope="session")
def database_template(postgres_server: Postgres, server_folder: Path) -> str:
    """The archive's tables and the ledger's, made by both services' own migration steps."""

    async def prepare() -> str:
        dsn = await postgres_server.create_database(_TEMPLATE)
        await postgres_server.create_role("notifier_user", password=PASSWORD)
        return dsn

    dsn = asyncio.run(prepare())
    for name in ("ingress", "notifier", "notifier"):  # the second time there is nothing to do
        Service(name, server_folder / "migrations", postgres_settings(dsn)).step("migrate")
    asyncio.run(_grant(postgres_server.dsn()))
    return _TEMPLATE


async def _grant(dsn: str) -> None:
    connection = await asyncpg.connect(dsn)
    await connection.execute("GRANT maskwatch_notifier TO notifier_user")
    await connection.close()


@pytest.fixture
async def archive(database: str) -> AsyncIterator[Archive]:
    connection = await asyncpg.connect(database)
    yield Archive(connection)
    await connection.close()


@pytest.fixture
async def replicas(database: str, inbox: Inbox) -> AsyncIterator[Replicas]:
    made = Replicas(database, inbox)
    yield made
    await made.end()


@pytest.fixture
async def scripted() -> AsyncIterator[ScriptedServer]:
    script = ScriptedServer()
    server = await asyncio.start_server(script.serve, "127.0.0.1", 0)
    script.port = server.sockets[0].getsockname()[1]
    yield script
    server.close()
    script.drop_all()
    await server.wait_closed()


@pytest.fixture(scope="session")
def certificate(server_folder: Path) -> Tls:
    return certificates.make(server_folder / "tls")


@pytest.fixture
async def requests(kafka: str) -> AsyncIterator[AIOKafkaProducer]:
    """A producer, and the topics made anew: an id in them would mean an alert of this test."""
    settings = KafkaSettings(kafka_bootstrap=kafka)
    asked = (topics.NOTIFY, topics.NOTIFY_EVENT)
    names = {*asked, *(topics.dead_letters_of(topic) for topic in asked)}
    await topics.create(settings, replication=1)
    admin = AIOKafkaAdminClient(bootstrap_servers=kafka)
    await admin.start()
    await admin.delete_topics(list(names))
    await admin.close()
    async with asyncio.timeout(DEADLINE_S):
        while names := names - set(await topics.create(settings, replication=1)):
            await asyncio.sleep(0.2)
    async with AIOKafkaProducer(bootstrap_servers=kafka) as producer:
        yield producer


@pytest.fixture
def services(kafka: str, database: str, inbox: Inbox, tmp_path: Path) -> Iterator[Services]:
    made = Services(
        tmp_path,
        {
            **postgres_settings(as_notifier(database)),
            "MASKWATCH_KAFKA_BOOTSTRAP": kafka,
            "MASKWATCH_CONSUMER_GROUP": uuid4().hex,
            "MASKWATCH_RECIPIENTS": "ann@example.org",
            "MASKWATCH_SENDER": "Maskwatch <alerts@maskwatch.example>",
            "MASKWATCH_SMTP_HOST": inbox.host,
            "MASKWATCH_SMTP_PORT": str(inbox.smtp_port),
            "MASKWATCH_SMTP_TLS": "none",
            "MASKWATCH_SMTP_TIMEOUT_S": "2",
            "MASKWATCH_COOLDOWN_MINUTES": "0",
            "MASKWATCH_CAMERA_GROUP_WAIT_S": "0",
        },
    )
    yield made
    made.end()
