"""The ingress service beside bare aiokafka and asyncpg on the same messages.

Bare: one loop; getmany of up to 500 records, one transaction with `INSERT ... SELECT FROM unnest
... ON CONFLICT ... RETURNING` into a table of the same columns and indexes, and the pictures into
one like ours; commit the offsets; again. It decodes nothing: the record's own bytes are the
picture, all other columns are constants. No foreign keys, no validation, no requests for
notifications. Ours is the whole service as a process, which also publishes those requests.
"""

import asyncio
import statistics
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit
from uuid import UUID, uuid4

import asyncpg
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, ConsumerRecord
from aiokafka.admin import AIOKafkaAdminClient
from devstack.kafka import Kafka
from devstack.postgres import Postgres
from devstack.service import Service
from maskwatch_proto import contract
from maskwatch_proto.alert import Alert, ClockQuality, Device, FaceBox, Image, Label, Location
from maskwatch_proto.alert import Model as ModelName
from maskwatch_runtime.kafka import topics
from maskwatch_runtime.settings import KafkaSettings

from benchmarks.bars import Bar, at_most, beside
from benchmarks.resources import watched

ROUNDS = 3
BATCH = 500
BACKLOG_MESSAGES = 100_000


@dataclass(frozen=True)
class Load:
    """What is archived."""

    name: str
    picture_bytes: int
    messages: int
    floor: float


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
            ours, bare = [], []
            for _ in range(rounds):
                bare.append(load.messages / await bench.bare(load))
                ours.append(load.messages / (await bench.ours(load))[0])
            rate, peer = statistics.median(ours), statistics.median(bare)
            title = f"ingress, {load.name}"
            bars.append(beside(title, rate, peer, unit="alerts/s", floor=load.floor))
        backlog = Load("backlog", 40_000, BACKLOG_MESSAGES, 0)
        bench = await _Bench.prepared(kafka, postgres, Path(name))
        await bench.fill(backlog)
        _, peak_mb = await bench.ours(backlog)
        await bench.empty()
        title = f"ingress peak RSS, backlog of {BACKLOG_MESSAGES:,} x 40 KB"
        bars.append(at_most(title, peak_mb, 200, unit="MB"))
    return bars


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
        await connection.execute(
            "CREATE SCHEMA bare;"
            "CREATE TABLE bare.alert (LIKE public.alert INCLUDING ALL);"
            "CREATE TABLE bare.image (LIKE public.image INCLUDING ALL)"
        )
        await connection.close()
        return bench

    async def empty(self) -> None:
        """Make the topics anew."""
        settings = KafkaSettings(kafka_bootstrap=self._kafka.bootstrap)
        admin = AIOKafkaAdminClient(bootstrap_servers=self._kafka.bootstrap)
        await admin.start()
        await admin.delete_topics([topics.ALERT, topics.NOTIFY])
        await admin.close()
        while set(await topics.create(settings, replication=1)) < {topics.ALERT, topics.NOTIFY}:
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

    async def ours(self, load: Load) -> tuple[float, float]:
        """Return the seconds for all messages, and the service's peak RSS in MB."""
        service = self._service()
        watching = await asyncpg.connect(self._dsn)
        await watching.execute(
            "TRUNCATE alert, image, notification_request; ALTER SEQUENCE alert_id_seq RESTART"
        )
        service.begin()
        async with watched(service.process.pid) as peak:
            # The process's own start is not what is compared: time runs from the first batch.
            first, began_s = await _archived(watching, at_least=1)
            _, ended_s = await _archived(watching, at_least=load.messages)
        await watching.close()
        service.stop()
        return (ended_s - began_s) * load.messages / (load.messages - first), peak.rss_mb

    async def bare(self, load: Load) -> float:
        """Return the seconds for all messages."""
        connection = await asyncpg.connect(self._dsn)
        await connection.execute("TRUNCATE bare.alert, bare.image")
        consumer = AIOKafkaConsumer(
            topics.ALERT,
            bootstrap_servers=self._kafka.bootstrap,
            group_id=uuid4().hex,
            enable_auto_commit=False,
            auto_offset_reset="earliest",
        )
        await consumer.start()
        done, first, began_s = 0, 0, 0.0
        while done < load.messages:
            fetched = await consumer.getmany(timeout_ms=500, max_records=BATCH)
            records = [record for partition in fetched.values() for record in partition]
            if not records:
                continue
            done += await _insert_bare(connection, records, has_pictures=load.picture_bytes > 0)
            await consumer.commit()
            if not began_s:
                first, began_s = done, time.perf_counter()
        seconds = (time.perf_counter() - began_s) * load.messages / (load.messages - first)
        await consumer.stop()
        await connection.close()
        return seconds

    def _service(self) -> Service:
        address = urlsplit(self._dsn)
        settings = {
            "MASKWATCH_KAFKA_BOOTSTRAP": self._kafka.bootstrap,
            "MASKWATCH_CONSUMER_GROUP": uuid4().hex,
            "MASKWATCH_POSTGRES_HOST": str(address.hostname),
            "MASKWATCH_POSTGRES_PORT": str(address.port),
            "MASKWATCH_POSTGRES_DATABASE": address.path.lstrip("/"),
            "MASKWATCH_POSTGRES_USER": str(address.username),
            "MASKWATCH_POSTGRES_PASSWORD": str(address.password),
            "MASKWATCH_POSTGRES_TLS": "disable",
        }
        return Service("ingress", self._folder, settings)


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
    )


_BARE_COLUMNS: dict[str, tuple[str, Any]] = {
    "event_time": ("timestamptz", datetime(2026, 1, 1, tzinfo=UTC)),
    "device_id": ("varchar", "door-1"),
    "face_model_id": ("varchar", "0c6f"),
    "mask_model_id": ("varchar", "0c6f"),
    "probability": ("real", 0.9),
    "label": ("text", "no_mask"),
    "camera": ("text", "north door"),
    "longitude": ("real", 2.35),
    "latitude": ("real", 48.85),
    "face_left": ("real", 1.0),
    "face_top": ("real", 2.0),
    "face_right": ("real", 30.0),
    "face_bottom": ("real", 40.0),
    "episode_id": ("uuid", uuid4()),
    "runtime": ("text", "litert 2"),
    "boot_id": ("text", "0e2f6c1c"),
    "sequence": ("bigint", 1),
    "clock_quality": ("text", "synchronised"),
}
_BARE_ALERTS = (
    f"INSERT INTO bare.alert (event_id, {', '.join(_BARE_COLUMNS)}) SELECT * FROM unnest($1::uuid[]"
    + "".join(f", ${n}::{kind}[]" for n, (kind, _) in enumerate(_BARE_COLUMNS.values(), 2))
    + ") ON CONFLICT (event_id) DO NOTHING RETURNING id"
)
_BARE_IMAGES = (
    "INSERT INTO bare.image (id, format, width, height, data) SELECT * FROM unnest("
    "$1::bigint[], $2::varchar[], $3::integer[], $4::integer[], $5::bytea[])"
)


async def _insert_bare(
    connection: asyncpg.Connection, records: Sequence[ConsumerRecord], *, has_pictures: bool
) -> int:
    count = len(records)
    keys = [UUID(int=record.partition << 64 | record.offset) for record in records]
    constants = ([value] * count for _, value in _BARE_COLUMNS.values())
    async with connection.transaction():
        rows = await connection.fetch(_BARE_ALERTS, keys, *constants)
        if has_pictures:
            values = [record.value for record in records]
            await connection.execute(
                _BARE_IMAGES,
                [row["id"] for row in rows],
                ["jpg"] * count,
                [640] * count,
                [480] * count,
                values,
            )
    return count
