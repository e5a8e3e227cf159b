"""The bare loop that ingress is measured beside: aiokafka to PostgreSQL, decoding nothing."""

import time
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any
from uuid import UUID, uuid4

import asyncpg
from aiokafka import AIOKafkaConsumer, ConsumerRecord
from maskwatch_runtime.kafka import topics

SCHEMA = """
CREATE SCHEMA bare;
CREATE TABLE bare.alert (LIKE public.alert INCLUDING ALL);
CREATE TABLE bare.image (LIKE public.image INCLUDING ALL);
"""
_BATCH = 500


async def seconds(dsn: str, bootstrap: str, *, messages: int, has_pictures: bool) -> float:
    """Return the seconds for all messages of the topic, counted from the end of the first batch."""
    connection = await asyncpg.connect(dsn)
    await connection.execute("TRUNCATE bare.alert, bare.image")
    consumer = AIOKafkaConsumer(
        topics.ALERT,
        bootstrap_servers=bootstrap,
        group_id=uuid4().hex,
        enable_auto_commit=False,
        auto_offset_reset="earliest",
    )
    await consumer.start()
    done, first, began_s = 0, 0, 0.0
    while done < messages:
        fetched = await consumer.getmany(timeout_ms=500, max_records=_BATCH)
        records = [record for partition in fetched.values() for record in partition]
        if not records:
            continue
        done += await _insert(connection, records, has_pictures=has_pictures)
        await consumer.commit()
        if not began_s:
            first, began_s = done, time.perf_counter()
    elapsed_s = time.perf_counter() - began_s
    await consumer.stop()
    await connection.close()
    return elapsed_s * messages / (messages - first)


_COLUMNS: dict[str, tuple[str, Any]] = {
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
    "episode_started_at": ("timestamptz", datetime(2026, 1, 1, tzinfo=UTC)),
}
_ALERTS = (
    f"INSERT INTO bare.alert (event_id, {', '.join(_COLUMNS)}) SELECT * FROM unnest($1::uuid[]"
    + "".join(f", ${n}::{kind}[]" for n, (kind, _) in enumerate(_COLUMNS.values(), 2))
    + ") ON CONFLICT (event_id) DO NOTHING RETURNING id"
)
_IMAGES = (
    "INSERT INTO bare.image (id, format, width, height, data) SELECT * FROM unnest("
    "$1::bigint[], $2::varchar[], $3::integer[], $4::integer[], $5::bytea[])"
)


async def _insert(
    connection: asyncpg.Connection, records: Sequence[ConsumerRecord], *, has_pictures: bool
) -> int:
    count = len(records)
    keys = [UUID(int=record.partition << 64 | record.offset) for record in records]
    constants = ([value] * count for _, value in _COLUMNS.values())
    async with connection.transaction():
        rows = await connection.fetch(_ALERTS, keys, *constants)
        if has_pictures:
            values = [record.value for record in records]
            await connection.execute(
                _IMAGES,
                [row["id"] for row in rows],
                ["jpg"] * count,
                [640] * count,
                [480] * count,
                values,
            )
    return count
