"""The dispatcher after 72 h offline: 260,000 alerts with 4 KB thumbnails, drained.

Rate, order of each device's alerts on the topic, and whether memory stays flat while it drains.
"""

import asyncio
import sqlite3
import statistics
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from uuid import uuid4

import psutil
from aiokafka import AIOKafkaConsumer
from devstack.kafka import Kafka
from devstack.service import Service
from maskwatch_proto import contract
from maskwatch_runtime.kafka import topics
from maskwatch_runtime.outbox.outbox import Outbox
from maskwatch_runtime.settings import KafkaSettings

from benchmarks import alerts
from benchmarks.alerts import Load
from benchmarks.bars import Bar, at_least, at_most

LOAD = Load("72 h offline", 4_000, 260_000, devices=4)
_STALLED_S = 60.0


@dataclass(frozen=True)
class Drained:
    """How it went: alerts a second, and how far resident memory strayed from its median (share)."""

    rate: float
    rss_mb: float
    rss_spread: float


async def measure(kafka: Kafka, load: Load = LOAD) -> list[Bar]:
    """Return rate, alerts out of order or missing on the topic, and the spread of the RSS."""
    await topics.create(KafkaSettings(kafka_bootstrap=kafka.bootstrap), replication=1)
    with tempfile.TemporaryDirectory(prefix="maskwatch-") as name:
        path = Path(name) / "alert.db"
        _fill(path, load)
        drained = await _drain(path, kafka, load)
    missing, displaced = await _read_back(kafka, load)
    return [
        at_least(f"drain of {load.messages:,} alerts", drained.rate, 2_000, unit="alerts/s"),
        at_most("alerts missing on the topic", missing, 0, unit="alerts"),
        at_most("alerts out of their device's order", displaced, 0, unit="alerts"),
        Bar("dispatcher RSS while draining, median", drained.rss_mb, "MB"),
        at_most("largest distance of RSS from it", drained.rss_spread, 0.1, unit="share"),
    ]


def _fill(path: Path, load: Load) -> None:
    outbox = Outbox.open(path)
    outbox.connection.execute("BEGIN")
    for alert in alerts.made(load):
        outbox.append(alert)
    outbox.connection.execute("COMMIT")
    outbox.connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    outbox.close()


async def _drain(path: Path, kafka: Kafka, load: Load) -> Drained:
    """Drain with the service; time and memory count from the first tenth sent."""
    dispatcher = Service(
        "dispatcher",
        path.parent,
        {
            "MASKWATCH_OUTBOX_PATH": str(path),
            "MASKWATCH_KAFKA_BOOTSTRAP": kafka.bootstrap,
            "MASKWATCH_KEEP_SENT_HOURS": "1000000",
            "MASKWATCH_OUTBOX_BYTES_MAX": str(2**40),
        },
    )
    dispatcher.begin()
    process = psutil.Process(dispatcher.process.pid)
    watching = sqlite3.connect(path, isolation_level=None)
    resident_mb: list[float] = []
    first, began_s = 0, 0.0
    moved_s, unsent = time.perf_counter(), load.messages
    while unsent:
        found = _unsent(watching)
        now_s = time.perf_counter()
        if found != unsent:
            unsent, moved_s = found, now_s
        elif now_s - moved_s > _STALLED_S:
            raise TimeoutError(f"{unsent} alerts are left; {dispatcher.log()[-2000:]}")
        if unsent <= load.messages * 0.9:
            if not began_s:
                first, began_s = unsent, now_s
            resident_mb.append(process.memory_info().rss / 1e6)
        await asyncio.sleep(0.1)
    seconds = moved_s - began_s
    watching.close()
    dispatcher.stop()
    median_mb = statistics.median(resident_mb)
    spread = max(abs(each - median_mb) for each in resident_mb) / median_mb
    return Drained(first / seconds, median_mb, spread)


def _unsent(watching: sqlite3.Connection) -> int:
    (count,) = watching.execute(
        "SELECT count(*) FROM alert WHERE sent = 0 AND refused_reason IS NULL"
    ).fetchone()
    return int(count)


async def _read_back(kafka: Kafka, load: Load) -> tuple[int, int]:
    """Return how many alerts are missing on the topic, and how many follow a later one."""
    consumer = AIOKafkaConsumer(
        topics.ALERT,
        bootstrap_servers=kafka.bootstrap,
        group_id=uuid4().hex,
        auto_offset_reset="earliest",
    )
    await consumer.start()
    newest: dict[str, int] = {}
    seen: set[int] = set()
    displaced = 0
    while fetched := await consumer.getmany(timeout_ms=2_000, max_records=2_000):
        for record in (record for records in fetched.values() for record in records):
            alert = contract.decode(record.value)
            if alert.sequence in seen:
                continue  # a second copy is allowed, and caught by the archive
            seen.add(alert.sequence)
            displaced += alert.sequence < newest.get(alert.device.guid, -1)
            newest[alert.device.guid] = alert.sequence
    await consumer.stop()
    return load.messages - len(seen), displaced
