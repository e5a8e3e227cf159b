"""The dispatcher beside bare aiokafka that publishes the same rows, read from the same SQLite file.

Bare: SELECT in batches of 500 rows, the row's columns into a protobuf message, `send` for each,
gather the acknowledgements, UPDATE sent = 1, next batch; same file settings (WAL, FULL), acks=all,
the same headers' number and size. No validation, no retry, no order after a failure.
"""

import asyncio
import sqlite3
import statistics
import tempfile
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import uuid4

from aiokafka import AIOKafkaProducer
from devstack.kafka import Kafka
from devstack.service import Service
from maskwatch_proto import alert_pb2
from maskwatch_proto.alert import Alert, ClockQuality, Device, FaceBox, Image, Label, Model
from maskwatch_runtime.kafka import topics
from maskwatch_runtime.outbox import schema
from maskwatch_runtime.outbox.outbox import Outbox
from maskwatch_runtime.outbox.rows import ALERT_COLUMNS
from maskwatch_runtime.settings import KafkaSettings

from benchmarks.bars import Bar, at_most, beside
from benchmarks.resources import watched

ROUNDS = 3
BATCH = 500
ROWS = {"40 KB pictures": 10_000, "metadata only": 40_000}
BACKLOG_ROWS = 100_000
PICTURE_BYTES = {"40 KB pictures": 40_000, "metadata only": 0}
_SELECT = (
    f"SELECT rowid, {', '.join(ALERT_COLUMNS)} FROM alert"
    " WHERE sent = 0 AND refused_reason IS NULL ORDER BY rowid LIMIT 500"
)
_HEADERS = [(f"header-{number}", b"x" * 24) for number in range(7)]


async def measure(kafka: Kafka, *, rounds: int = ROUNDS) -> list[Bar]:
    """Return rates (alerts/s, median of interleaved rounds) and the peak memory at full load."""
    await topics.create(KafkaSettings(kafka_bootstrap=kafka.bootstrap), replication=1)
    bars = []
    with tempfile.TemporaryDirectory(prefix="maskwatch-") as name:
        folder = Path(name)
        for kind, rows in ROWS.items():
            ours, bare = [], []
            _fill(folder / "alert.db", rows, PICTURE_BYTES[kind])
            for _ in range(rounds):
                bare.append(rows / await _bare(folder, kafka))
                _unsend(folder)
                ours.append(rows / (await _ours(folder, kafka))[0])
                _unsend(folder)
            (folder / "alert.db").unlink()
            bars.append(
                beside(
                    f"dispatcher, {kind}",
                    statistics.median(ours),
                    statistics.median(bare),
                    unit="alerts/s",
                    floor=0.8,
                )
            )
        _fill(folder / "alert.db", BACKLOG_ROWS, PICTURE_BYTES["40 KB pictures"])
        _, peak_mb = await _ours(folder, kafka)
        bars.append(
            at_most("dispatcher peak RSS, backlog of 100,000 x 40 KB", peak_mb, 100, unit="MB")
        )
    return bars


def _fill(path: Path, rows: int, picture_bytes: int) -> None:
    outbox = Outbox.open(path)
    picture = Image(format="jpg", width=640, height=480, data=bytes(picture_bytes))
    outbox.connection.execute("BEGIN")
    for number in range(rows):
        outbox.append(_alert(number, picture))
    outbox.connection.execute("COMMIT")
    outbox.connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    outbox.close()


def _alert(number: int, picture: Image) -> Alert:
    return Alert(
        event_id=uuid4(),
        event_time=datetime(2026, 1, 1, tzinfo=UTC) + timedelta(seconds=number),
        device=Device(type="raspberry pi 4", guid=f"door-{number % 7}", enrolled_on="2025-01-01"),
        face_model=Model(name="maskwatch-face-mask-320", guid=str(uuid4()), threshold=0.5),
        probability=0.9,
        image=picture,
        label=Label.NO_MASK,
        face_box=FaceBox(left=1, top=2, right=30, bottom=40),
        episode_id=uuid4(),
        camera="north door",
        runtime="litert 2",
        boot_id=str(uuid4()),
        sequence=number,
        clock_quality=ClockQuality.SYNCHRONISED,
        episode_started_at=datetime(2026, 1, 1, tzinfo=UTC),
    )


def _unsend(folder: Path) -> None:
    outbox = Outbox.open(folder / "alert.db")
    outbox.connection.execute("UPDATE alert SET sent = 0")
    outbox.connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    outbox.close()


async def _ours(folder: Path, kafka: Kafka) -> tuple[float, float]:
    """Return seconds from the first alert sent to the last, and the peak RSS in MB."""
    dispatcher = Service(
        "dispatcher",
        folder,
        {
            "MASKWATCH_OUTBOX_PATH": str(folder / "alert.db"),
            "MASKWATCH_KAFKA_BOOTSTRAP": kafka.bootstrap,
            "MASKWATCH_KEEP_SENT_HOURS": "1000000",
            "MASKWATCH_OUTBOX_BYTES_MAX": str(2**40),
        },
    )
    watching = sqlite3.connect(folder / "alert.db", isolation_level=None)
    (total,) = watching.execute("SELECT count(*) FROM alert WHERE sent = 0").fetchone()
    dispatcher.begin()
    async with watched(dispatcher.process.pid) as peak:
        # The process's own start is not what is compared: time runs from the first batch marked.
        first, began_s = await _progress(watching, total, is_begin=True)
        _, ended_s = await _progress(watching, total, is_begin=False)
    watching.close()
    dispatcher.stop()
    return (ended_s - began_s) * total / (total - first), peak.rss_mb


async def _progress(
    watching: sqlite3.Connection, total: int, *, is_begin: bool
) -> tuple[int, float]:
    while True:
        (unsent,) = watching.execute(
            "SELECT count(*) FROM alert WHERE sent = 0 AND refused_reason IS NULL"
        ).fetchone()
        if (is_begin and unsent < total) or unsent == 0:
            return total - unsent, time.perf_counter()
        await asyncio.sleep(0.01)


async def _bare(folder: Path, kafka: Kafka) -> float:
    """Return the seconds that it takes."""
    connection = schema.connect(folder / "alert.db")
    producer = AIOKafkaProducer(
        bootstrap_servers=kafka.bootstrap,
        acks="all",
        linger_ms=0,
        max_request_size=topics.MESSAGE_BYTES_MAX,
    )
    await producer.start()
    began_s = time.perf_counter()
    while rows := connection.execute(_SELECT).fetchall():
        futures = [
            await producer.send(
                topics.ALERT, _encoded(row[1:]), key=row[3].encode(), headers=_HEADERS
            )
            for row in rows
        ]
        await asyncio.gather(*futures)
        connection.execute("BEGIN IMMEDIATE")
        connection.executemany(
            "UPDATE alert SET sent = 1 WHERE rowid = ?", [(row[0],) for row in rows]
        )
        connection.execute("COMMIT")
    seconds = time.perf_counter() - began_s
    await producer.stop()
    connection.close()
    return seconds


def _encoded(row: tuple[Any, ...]) -> bytes:
    column = dict(zip(ALERT_COLUMNS, row, strict=True))
    message = alert_pb2.Alert(
        event_time=column["created_at"],
        created_by={
            "type": column["device_type"],
            "guid": column["device_id"],
            "enrolled_on": column["device_deployed_on"],
        },
        location={"longitude": column["longitude"], "latitude": column["latitude"]},
        probability=column["probability"],
        image={
            "format": column["image_format"],
            "size": {"width": column["image_width"], "height": column["image_height"]},
            "data": column["image_data"],
        },
        event_id=column["event_id"],
        camera=column["camera"],
    )
    for field, kind in (("face_detection_model", "face"), ("mask_classifier_model", "mask")):
        model = getattr(message, field)
        model.name = column[f"{kind}_model_name"]
        model.guid = column[f"{kind}_model_guid"]
        model.threshold = column[f"{kind}_model_threshold"]
    return message.SerializeToString()
