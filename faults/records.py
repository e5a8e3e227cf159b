"""What the broker holds now: records of a topic, and how far a group is behind."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any, TypeVar

from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.errors import KafkaError
from maskwatch_runtime.kafka import topics

T = TypeVar("T")
_TIMEOUT_MS = 30_000


@dataclass(frozen=True)
class Stored:
    """A record as a topic holds it; `event_id` is its header ce_id, empty without one."""

    partition: int
    offset: int
    key: bytes
    value: bytes
    headers: tuple[tuple[str, bytes], ...]

    @property
    def event_id(self) -> str:
        return dict(self.headers).get("ce_id", b"").decode()


async def read(bootstrap: str, topic: str) -> list[Stored]:
    """Return everything that a topic holds, each partition in its order; [] for a missing topic."""
    async with _clients(bootstrap) as (consumer, admin):
        partitions = await _partitions(admin, topic)
        if not partitions:
            return []
        ends = await consumer.end_offsets(partitions)
        consumer.assign(partitions)
        await consumer.seek_to_beginning(*partitions)
        found: list[Stored] = []
        while any([await consumer.position(one) < ends[one] for one in partitions]):
            for fetched in (await consumer.getmany(timeout_ms=100)).values():
                found += map(_stored, fetched)
        return found


def _stored(record: Any) -> Stored:
    return Stored(
        record.partition,
        record.offset,
        record.key or b"",
        record.value or b"",
        tuple(record.headers),
    )


async def lag(bootstrap: str, groups: Mapping[str, str]) -> int:
    """Return how many records the groups have not committed yet.

    Args:
        bootstrap: The broker.
        groups: Topic by group; a group that never committed is behind by all that there is.
    """
    async with _clients(bootstrap) as (consumer, admin):
        return sum([await _lag(consumer, admin, group, topic) for group, topic in groups.items()])


async def _lag(
    consumer: AIOKafkaConsumer, admin: AIOKafkaAdminClient, group: str, topic: str
) -> int:
    partitions = await _partitions(admin, topic)
    if not partitions:
        return 0
    # The topic of all groups' offsets is made when the first one is asked for.
    committed = await until_taken(lambda: admin.list_consumer_group_offsets(group))
    begins = await consumer.beginning_offsets(partitions)
    ends = await consumer.end_offsets(partitions)
    return sum(
        ends[one] - max(begins[one], committed[one].offset if one in committed else 0)
        for one in partitions
    )


async def _partitions(admin: AIOKafkaAdminClient, topic: str) -> list[TopicPartition]:
    """Return the partitions as the broker knows them now; none for a missing topic."""
    (described,) = await admin.describe_topics([topic])
    return [TopicPartition(topic, number) for number in range(len(described["partitions"]))]


@asynccontextmanager
async def _clients(
    bootstrap: str,
) -> AsyncIterator[tuple[AIOKafkaConsumer, AIOKafkaAdminClient]]:
    consumer = AIOKafkaConsumer(
        bootstrap_servers=bootstrap,
        auto_offset_reset="earliest",
        max_partition_fetch_bytes=topics.LETTER_BYTES_MAX,
    )
    admin = AIOKafkaAdminClient(bootstrap_servers=bootstrap, request_timeout_ms=_TIMEOUT_MS)
    try:
        await consumer.start()
        await admin.start()
        yield consumer, admin
    finally:
        await admin.close()
        await consumer.stop()


async def until_taken(ask: Callable[[], Awaitable[T]]) -> T:
    """Ask again while the broker says "not yet", as of a topic that was made just now.

    Raises:
        KafkaError: It refuses for good.
        TimeoutError: It said so for too long.
    """
    async with asyncio.timeout(_TIMEOUT_MS / 1000):
        while True:
            try:
                return await ask()
            except KafkaError as error:
                if not error.retriable:
                    raise
            await asyncio.sleep(0.05)
