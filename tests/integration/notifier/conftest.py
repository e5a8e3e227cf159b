import asyncio
import itertools
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path
from typing import Any, ClassVar
from urllib.parse import urlsplit
from uuid import UUID, uuid4

import asyncpg
import pytest
from aiokafka import AIOKafkaProducer
from aiokafka.admin import AIOKafkaAdminClient
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID
from devstack.inbox import Inbox, Tls
from devstack.postgres import Postgres
from devstack.service import Service
from maskwatch_proto import contract
from maskwatch_runtime.clock import SystemClock
from maskwatch_runtime.health import Health
from maskwatch_runtime.kafka import topics
from maskwatch_runtime.kafka.message import Record
from maskwatch_runtime.postgres import Pool
from maskwatch_runtime.settings import KafkaSettings
from notifier import app
from notifier.handler import Handler
from notifier.metrics import Metrics
from notifier.sender import Sender
from notifier.settings import NotifierSettings
from prometheus_client import CollectorRegistry

_TEMPLATE = "notifier_template"
PASSWORD = "invented"
PICTURE = b"\xff\xd8\xff\xe0" + bytes(range(256)) * 40
DEADLINE_S = 30.0


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


def postgres_settings(dsn: str) -> dict[str, str]:
    address = urlsplit(dsn)
    return {
        "MASKWATCH_POSTGRES_HOST": address.hostname or "",
        "MASKWATCH_POSTGRES_PORT": str(address.port),
        "MASKWATCH_POSTGRES_DATABASE": address.path.lstrip("/"),
        "MASKWATCH_POSTGRES_USER": address.username or "",
        "MASKWATCH_POSTGRES_PASSWORD": address.password or "",
        "MASKWATCH_POSTGRES_TLS": "disable",
    }


def as_notifier(dsn: str) -> str:
    """Return the address of the database for a user that has the service's role alone."""
    address = urlsplit(dsn)
    return f"postgresql://notifier_user:{PASSWORD}@{address.hostname}:{address.port}{address.path}"


@dataclass
class Archive:
    """The archive and the ledger as a test sees them."""

    connection: asyncpg.Connection
    _numbers: "itertools.count[int]" = field(default_factory=lambda: itertools.count(1))

    async def add(
        self, *, camera: str = "Gate 3", picture: bytes | None = PICTURE, **columns: Any
    ) -> int:
        """Archive an alert as ingress does and return its id."""
        image_id = None
        await self.connection.execute(
            """
            WITH d AS (INSERT INTO device (id, type) VALUES ('door-1', 'raspberry pi 4')
                       ON CONFLICT DO NOTHING),
                 f AS (INSERT INTO face_detection_model VALUES ('f', now(), 'face', 0.5)
                       ON CONFLICT DO NOTHING)
            INSERT INTO mask_classification_model VALUES ('m', now(), 'mask', 0.5)
            ON CONFLICT DO NOTHING
            """
        )
        if picture is not None:
            image_id = await self.connection.fetchval(
                "INSERT INTO image (format, width, height, data) VALUES ('jpg', 640, 480, $1)"
                " RETURNING id",
                picture,
            )
        values = {
            "event_time": datetime(2026, 5, 4, 12, 3, next(self._numbers) % 60, tzinfo=UTC),
            "device_id": "door-1",
            "face_model_id": "f",
            "mask_model_id": "m",
            "image_id": image_id,
            "event_id": uuid4(),
            "probability": 0.97,
            "label": "no_mask",
            "camera": camera,
            "longitude": 2.35222,
            "latitude": 48.85661,
            **columns,
        }
        names = ", ".join(values)
        places = ", ".join(f"${number}" for number in range(1, len(values) + 1))
        alert_id: int = await self.connection.fetchval(
            f"INSERT INTO alert ({names}) VALUES ({places}) RETURNING id",  # noqa: S608
            *values.values(),
        )
        return alert_id

    async def event_id(self, alert_id: int) -> UUID:
        found: UUID = await self.connection.fetchval(
            "SELECT event_id FROM alert WHERE id = $1", alert_id
        )
        return found

    async def is_told(self, alert_id: int) -> bool:
        told: bool = await self.connection.fetchval(
            "SELECT notification_sent FROM alert WHERE id = $1", alert_id
        )
        return told

    async def delivery(self, alert_id: int, recipient: str | None = None) -> Mapping[str, Any]:
        """Return the ledger's row, the only one of the alert unless a recipient is given."""
        rows = await self.connection.fetch(
            "SELECT * FROM delivery WHERE alert_id = $1 AND recipient = coalesce($2, recipient)",
            alert_id,
            recipient,
        )
        assert len(rows) == 1, rows
        return dict(rows[0])

    async def states(self) -> dict[str, int]:
        """Return the number of the ledger's rows by state."""
        rows = await self.connection.fetch("SELECT state, count(*) FROM delivery GROUP BY state")
        return {row["state"]: row["count"] for row in rows}

    async def wait_for_state(self, state: str, count: int = 1) -> None:
        async with asyncio.timeout(DEADLINE_S):
            while (await self.states()).get(state, 0) < count:
                await asyncio.sleep(0.02)


@pytest.fixture
async def archive(database: str) -> AsyncIterator[Archive]:
    connection = await asyncpg.connect(database)
    yield Archive(connection)
    await connection.close()


def record(value: bytes) -> Record:
    return Record(topics.NOTIFY, 0, 0, 0, None, value)


def settings_of(database: str, smtp_port: int, **changed: Any) -> NotifierSettings:
    """Return settings under which nothing waits for long."""
    address = urlsplit(as_notifier(database))
    values: dict[str, Any] = {
        "kafka_bootstrap": "unused:9",
        "postgres_host": address.hostname,
        "postgres_port": address.port,
        "postgres_database": address.path.lstrip("/"),
        "postgres_user": address.username,
        "postgres_password": address.password,
        "postgres_tls": "disable",
        "recipients": "ann@example.org",
        "sender": "Maskwatch <alerts@maskwatch.example>",
        "smtp_host": "127.0.0.1",
        "smtp_port": smtp_port,
        "smtp_tls": "none",
        "smtp_timeout_s": 5,
        "cooldown_minutes": 0,
        "retry_initial_s": 0.05,
        "retry_cap_s": 0.1,
        **changed,
    }
    return NotifierSettings(**values)


@dataclass
class Replica:
    """A notifier in this process, without Kafka: requests are handed to its handler."""

    handler: Handler
    sender: Sender
    health: Health
    registry: CollectorRegistry
    stop: asyncio.Event
    _pool: Pool
    _running: "asyncio.Task[None] | None" = None

    def start(self) -> None:
        self._running = asyncio.create_task(self.sender.run(self.stop))

    async def ask(self, *alert_ids: int) -> None:
        rejected = await self.handler.handle(
            [record(contract.encode_alert_id(alert_id)) for alert_id in alert_ids]
        )
        assert not rejected

    def metric(self, name: str, **labels: str) -> float:
        return self.registry.get_sample_value(name, labels) or 0.0

    async def end(self) -> None:
        self.stop.set()
        running, self._running = self._running, None
        if running is not None:
            async with asyncio.timeout(DEADLINE_S):
                await running
        await self._pool.close()


def build(settings: NotifierSettings) -> Replica:
    registry = CollectorRegistry()
    health = Health(SystemClock())
    pool = Pool(settings, size=4)
    handler, sender = app.wire(settings, pool, Metrics(registry), health)
    return Replica(handler, sender, health, registry, asyncio.Event(), pool)


class Replicas:
    """Makes notifiers and ends them all."""

    def __init__(self, database: str, inbox: Inbox) -> None:
        self._database = database
        self._inbox = inbox
        self._made: list[Replica] = []

    def make(self, **changed: Any) -> Replica:
        port = changed.pop("smtp_port", self._inbox.smtp_port)
        replica = build(settings_of(self._database, port, **changed))
        self._made.append(replica)
        return replica

    def start(self, **changed: Any) -> Replica:
        replica = self.make(**changed)
        replica.start()
        return replica

    async def end(self) -> None:
        for replica in self._made:
            await replica.end()


@pytest.fixture
async def replicas(database: str, inbox: Inbox) -> AsyncIterator[Replicas]:
    made = Replicas(database, inbox)
    yield made
    await made.end()


class ScriptedServer:
    """An SMTP server that says what it is told to, and closes where it is told to.

    `script` maps the first word of a command, "greeting" or "data" (the end of a mail) to the
    answer: a line, or None to close without one; `once` does so for the next such command alone.
    What is in neither is answered kindly.
    """

    _KIND: ClassVar = {"greeting": "220 hi", "EHLO": "250 hi", "DATA": "354 go", "QUIT": "221 bye"}

    def __init__(self) -> None:
        self.script: dict[str, str | None] = {}
        self.once: dict[str, str | None] = {}
        self.mails: list[bytes] = []
        self.commands: list[str] = []
        self.connections: list[asyncio.StreamWriter] = []
        self.port = 0

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections.append(writer)
        with suppress(ConnectionError, asyncio.IncompleteReadError):
            if self._answer(writer, "greeting"):
                while line := await reader.readline():
                    if not await self._command(reader, writer, line.decode().strip()):
                        break
        writer.close()

    async def _command(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, line: str
    ) -> bool:
        self.commands.append(line)
        word = line.partition(" ")[0]
        if not self._answer(writer, word):
            return False
        if word == "DATA" and self.script.get("DATA", "354").startswith("354"):  # type: ignore[union-attr]
            self.mails.append(await reader.readuntil(b"\r\n.\r\n"))
            return self._answer(writer, "data")
        return True

    def _answer(self, writer: asyncio.StreamWriter, word: str) -> bool:
        kind = self._KIND.get(word, "250 fine")
        answer = self.once.pop(word) if word in self.once else self.script.get(word, kind)
        if answer is None:
            return False
        if answer:
            writer.write(f"{answer}\r\n".encode())
        return True

    def drop_all(self) -> None:
        """Close every connection without a word."""
        for writer in self.connections:
            writer.transport.abort()


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
    """A self-signed certificate for 127.0.0.1; it is its own authority."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "maskwatch test")])
    now = datetime.now(UTC)
    built = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(hours=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(
            x509.SubjectAlternativeName([x509.IPAddress(ip_address("127.0.0.1"))]), critical=False
        )
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    folder = server_folder / "tls"
    folder.mkdir()
    (folder / "certificate.pem").write_bytes(built.public_bytes(Encoding.PEM))
    (folder / "key.pem").write_bytes(
        key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    )
    return Tls(certificate=folder / "certificate.pem", key=folder / "key.pem")


@pytest.fixture
async def requests(kafka: str) -> AsyncIterator[AIOKafkaProducer]:
    """A producer, and the topics made anew: an id in them would mean an alert of this test."""
    settings = KafkaSettings(kafka_bootstrap=kafka)
    names = {topics.NOTIFY, topics.NOTIFY_DEAD_LETTERS}
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


class Services:
    """Makes notifiers as processes and ends them all."""

    def __init__(self, folder: Path, settings: Mapping[str, str]) -> None:
        self._folder = folder
        self._settings = settings
        self._made: list[Service] = []

    def environment(self, **changed: str) -> dict[str, str]:
        return {**self._settings, **{f"MASKWATCH_{name}": changed[name] for name in changed}}

    def make(self, **changed: str) -> Service:
        label = f"notifier-{len(self._made)}"
        service = Service("notifier", self._folder, self.environment(**changed), label=label)
        self._made.append(service)
        return service

    def start(self, **changed: str) -> Service:
        service = self.make(**changed)
        service.start()
        return service

    def end(self) -> None:
        for service in self._made:
            if service.is_running:
                service.stop()


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
        },
    )
    yield made
    made.end()


async def ask(producer: AIOKafkaProducer, *alert_ids: int) -> None:
    """Ask for mails as ingress does."""
    for alert_id in alert_ids:
        await producer.send_and_wait(topics.NOTIFY, contract.encode_alert_id(alert_id))
