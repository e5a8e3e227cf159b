"""The ingress service beside bare aiokafka and asyncpg on the same messages.

Bare: one loop; getmany of up to 500 records, one transaction with `INSERT ... SELECT FROM unnest
... ON CONFLICT ... RETURNING` into a table of the same columns and indexes, and the pictures into
one like ours; commit the offsets; again. It decodes nothing: the record's own bytes are the
picture, all other columns are constants. No foreign keys, no validation, no requests for
notifications. "Path" is our consumer, handler and archive in the same process as the bare loop;
"service" is the service as it is deployed, which publishes the requests for notifications too.
"""

import asyncio
import statistics
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from urllib.parse import urlsplit
from uuid import uuid4

import asyncpg
from aiokafka import AIOKafkaProducer
from aiokafka.admin import AIOKafkaAdminClient
from devstack.kafka import Kafka
from devstack.postgres import Postgres
from devstack.service import Service
from ingress import app
from ingress.archive import Archive
from ingress.handler import AlertHandler
from ingress.metrics import Metrics
from ingress.settings import IngressSettings
from maskwatch_proto import contract
from maskwatch_proto.alert import Alert, ClockQuality, Device, FaceBox, Image, Label, Location
from maskwatch_proto.alert import Model as ModelName
from maskwatch_runtime.clock import SystemClock
from maskwatch_runtime.health import Health
from maskwatch_runtime.kafka import topics
from maskwatch_runtime.kafka.consumer import Consumer
from maskwatch_runtime.kafka.dead_letters import DeadLetters, Rejected
from maskwatch_runtime.kafka.message import Record
from maskwatch_runtime.kafka.publisher import KafkaPublisher
from maskwatch_runtime.postgres import Pool
from maskwatch_runtime.settings import KafkaSettings
from prometheus_client import CollectorRegistry
from pydantic import SecretStr

from benchmarks import bare_archive
from benchmarks.bars import Bar, at_most, beside
from benchmarks.resources import watched

ROUNDS = 3
BATCH = 500


@dataclass(frozen=True)
class Load:
    """What is archived."""

    name: str
    picture_bytes: int
    messages: int
    floor: float


_BACKLOG = Load("backlog of 100,000 x 40 KB", 40_000, 100_000, 0)
LOADS = (
    Load("40 KB pictures", 40_000, 8_000, 0.8),
    Load("metadata only", 0, 40_000, 0.6),
)


async def measure(kafka: Kafka, postgres: Postgres, *, rounds: int = ROUNDS) -> list[Bar]:
    """Return rates (alerts/s, median of interleaved rounds) and the peak memory at full load."""
    bars = []
    with tempfile.TemporaryDirectory(prefix="maskwatch-") as name:
        for load in LOADS:
            bench = await _Bench.prepared(kafka, postgres, Path(name))
            await bench.fill(load)
            bars += await _rates(bench, load, rounds)
        bench = await _Bench.prepared(kafka, postgres, Path(name))
        await bench.fill(_BACKLOG)
        _, peak_mb = await bench.service(_BACKLOG)
        await bench.empty()
        bars.append(at_most(f"ingress peak RSS, {_BACKLOG.name}", peak_mb, 200, unit="MB"))
    return bars


async def _rates(bench: "_Bench", load: Load, rounds: int) -> list[Bar]:
    bare_s, path_s, service_s = [], [], []
    for _ in range(rounds):
        bare_s.append(await bench.bare(load))
        path_s.append(await bench.path(load))
        service_s.append((await bench.service(load))[0])
    bare, path, service = (
        load.messages / statistics.median(seconds) for seconds in (bare_s, path_s, service_s)
    )
    title = f"ingress, {load.name}"
    return [
        beside(f"{title}, path", path, bare, unit="alerts/s", floor=load.floor),
        Bar(f"{title}, service", service, "alerts/s", bare, service / bare),
    ]


class _Bench:
    """One topic full of alerts, and a database with our tables and the bare loop's."""

    def __init__(self, kafka: Kafka, dsn: str, folder: Path) -> None:
        self._kafka = kafka
        self._dsn = dsn
        self._folder = folder

    @classmethod
    async def prepared(cls, kafka: Kafka, postgres: Postgres, folder: Path) -> "_Bench":
        dsn = await postgres.create_database(f"bench_{uuid4().hex[:8]}")
        bench = cls(kafka, dsn, folder)
        await bench.empty()
        bench._service().step("migrate")
        connection = await asyncpg.connect(dsn)
        await connection.execute(bare_archive.SCHEMA)
        await connection.close()
        return bench

    async def empty(self) -> None:
        """Make the topics anew."""
        settings = KafkaSettings(kafka_bootstrap=self._kafka.bootstrap)
        admin = AIOKafkaAdminClient(bootstrap_servers=self._kafka.bootstrap)
        await admin.start()
        await admin.delete_topics([topics.ALERT, topics.NOTIFY])
        await admin.close()
        made: set[str] = set()
        while not made >= {topics.ALERT, topics.NOTIFY}:
            made |= set(await topics.create(settings, replication=1))
            await asyncio.sleep(0.2)  # a deleted topic's name is free a moment later

    async def fill(self, load: Load) -> None:
        producer = AIOKafkaProducer(
            bootstrap_servers=self._kafka.bootstrap,
            acks="all",
            max_batch_size=256 * 1024,
            max_request_size=topics.MESSAGE_BYTES_MAX,
        )
        await producer.start()
        picture = Image(format="jpg", width=640, height=480, data=bytes(load.picture_bytes))
        for start in range(0, load.messages, BATCH):
            alerts = [_alert(start + number, picture) for number in range(BATCH)]
            sent = [
                await producer.send(
                    topics.ALERT, contract.encode(alert), key=alert.device.guid.encode()
                )
                for alert in alerts
            ]
            await asyncio.gather(*sent)
        await producer.stop()

    async def path(self, load: Load) -> float:
        """Return the seconds that consumer, handler and archive take for all messages."""
        await self._truncate()
        settings = self._settings()
        metrics, health = Metrics(CollectorRegistry()), Health(SystemClock())
        pool, publisher = Pool(settings, size=settings.writers), KafkaPublisher(settings)
        handler = _Timed(
            AlertHandler(Archive(pool, SystemClock()), metrics, SystemClock(), on_archived=_nobody),
            load.messages,
        )
        letters = DeadLetters(
            publisher, topic=topics.ALERT_DEAD_LETTERS, counter=metrics.alerts.rejected
        )
        consumer = Consumer(
            settings, app.subscription(settings), handler, dead_letters=letters, health=health
        )
        await consumer.run(handler.is_done)
        await pool.close()
        return handler.seconds

    async def service(self, load: Load) -> tuple[float, float]:
        """Return the seconds for all messages, and the service's peak RSS in MB."""
        await self._truncate()
        service = self._service()
        watching = await asyncpg.connect(self._dsn)
        service.begin()
        async with watched(service.process.pid) as peak:
            # The process's own start is not what is compared: time runs from the first batch.
            first, began_s = await _archived(watching, at_least=1)
            _, ended_s = await _archived(watching, at_least=load.messages)
        await watching.close()
        service.stop()
        return (ended_s - began_s) * load.messages / (load.messages - first), peak.rss_mb

    async def bare(self, load: Load) -> float:
        """Return the seconds that the bare loop takes for all messages."""
        return await bare_archive.seconds(
            self._dsn,
            self._kafka.bootstrap,
            messages=load.messages,
            has_pictures=load.picture_bytes > 0,
        )

    async def _truncate(self) -> None:
        connection = await asyncpg.connect(self._dsn)
        await connection.execute(
            "TRUNCATE alert, image, notification_request; ALTER SEQUENCE alert_id_seq RESTART"
        )
        await connection.close()

    def _settings(self) -> IngressSettings:
        address = urlsplit(self._dsn)
        return IngressSettings(
            kafka_bootstrap=self._kafka.bootstrap,
            consumer_group=uuid4().hex,
            postgres_host=str(address.hostname),
            postgres_port=address.port or 0,
            postgres_database=address.path.lstrip("/"),
            postgres_user=str(address.username),
            postgres_password=SecretStr(str(address.password)),
            postgres_tls="disable",
        )

    def _service(self) -> Service:
        settings = self._settings()
        variables = {
            f"MASKWATCH_{name.upper()}": str(value)
            for name, value in settings.model_dump(exclude_defaults=True).items()
        }
        variables["MASKWATCH_POSTGRES_PASSWORD"] = settings.postgres_password.get_secret_value()
        return Service("ingress", self._folder, variables)


class _Timed:
    """A handler that says when all is done; time runs from the end of its first batch."""

    def __init__(self, handler: AlertHandler, messages: int) -> None:
        self.is_done = asyncio.Event()
        self.seconds = 0.0
        self._handler = handler
        self._messages = messages
        self._handled = self._first = 0
        self._began_s = 0.0

    async def handle(self, records: Sequence[Record]) -> Sequence[Rejected]:
        rejected = await self._handler.handle(records)
        self._handled += len(records)
        if not self._began_s:
            self._began_s, self._first = time.perf_counter(), self._handled
        if self._handled == self._messages:
            elapsed_s = time.perf_counter() - self._began_s
            self.seconds = elapsed_s * self._messages / (self._messages - self._first)
            self.is_done.set()
        return rejected


def _nobody() -> None:
    """Nobody waits for the requests."""


async def _archived(watching: asyncpg.Connection, *, at_least: int) -> tuple[int, float]:
    while True:
        # The sequence's last number costs nothing to read; counting rows would disturb.
        found: int = await watching.fetchval(
            "SELECT CASE WHEN is_called THEN last_value ELSE 0 END FROM alert_id_seq"
        )
        if found >= at_least:
            found = await watching.fetchval("SELECT count(*) FROM alert")
            if found >= at_least:
                return found, time.perf_counter()
        await asyncio.sleep(0.02)


def _alert(number: int, picture: Image) -> Alert:
    model = ModelName(name="maskwatch-face-mask-320", guid="0c6f", threshold=0.5)
    return Alert(
        event_id=uuid4(),
        event_time=datetime(2026, 1, 1, tzinfo=UTC) + timedelta(seconds=number),
        device=Device(type="raspberry pi 4", guid=f"door-{number % 24}", enrolled_on="2025-01-01"),
        location=Location(longitude=2.35, latitude=48.85),
        face_model=model,
        mask_model=model,
        probability=0.9,
        image=picture,
        label=Label.NO_MASK,
        face_box=FaceBox(left=1, top=2, right=30, bottom=40),
        episode_id=uuid4(),
        camera="north door",
        runtime="litert 2",
        boot_id="0e2f6c1c",
        sequence=number,
        clock_quality=ClockQuality.SYNCHRONISED,
        episode_started_at=datetime(2026, 1, 1, tzinfo=UTC),
    )
