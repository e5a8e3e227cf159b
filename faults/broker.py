"""What an operator, or time, does to topics: a setting, a deletion, partitions, retention."""

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager

from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient, NewPartitions, RecordsToDelete
from aiokafka.admin.config_resource import ConfigResource, ConfigResourceType
from aiokafka.errors import for_code
from maskwatch_runtime.kafka import topics
from maskwatch_runtime.settings import KafkaSettings

from faults import records

_MADE = {topic.name: topic for topic in topics.TOPICS}
_GONE_S = 30.0


@asynccontextmanager
async def _admin(bootstrap: str) -> AsyncIterator[AIOKafkaAdminClient]:
    admin = AIOKafkaAdminClient(bootstrap_servers=bootstrap)
    await admin.start()
    try:
        yield admin
    finally:
        await admin.close()


@asynccontextmanager
async def configured(bootstrap: str, topic: str, **settings: str) -> AsyncIterator[None]:
    """Have a topic with these settings (a ``_`` for each dot), then with its own again."""
    own = _MADE[topic].configs
    await _configure(bootstrap, topic, own | {_dotted(name): settings[name] for name in settings})
    try:
        yield
    finally:
        await _configure(bootstrap, topic, own)


def _dotted(name: str) -> str:
    return name.replace("_", ".")


async def _configure(bootstrap: str, topic: str, settings: Mapping[str, str]) -> None:
    async with _admin(bootstrap) as admin:
        resource = ConfigResource(ConfigResourceType.TOPIC, topic, configs=dict(settings))
        for answer in await admin.alter_configs([resource]):
            for code, *reason in answer.resources:
                if code:
                    raise for_code(code)(reason)


async def delete(bootstrap: str, topic: str) -> None:
    """Delete a topic; returns once the broker does not know it any more."""
    async with _admin(bootstrap) as admin, asyncio.timeout(_GONE_S):
        await admin.delete_topics([topic])
        while topic in await admin.list_topics():  # noqa: ASYNC110 - nobody tells us
            await asyncio.sleep(0.05)


async def create(bootstrap: str, topic: str) -> None:
    """Create one of the product's topics anew, as its one-shot step does."""
    settings = KafkaSettings(kafka_bootstrap=bootstrap)
    async with asyncio.timeout(_GONE_S):
        # A deleted topic's name is free a moment later.
        while topic not in await topics.create(settings, replication=1):  # noqa: ASYNC110
            await asyncio.sleep(0.05)


async def grow(bootstrap: str, topic: str, partitions: int) -> None:
    """Give a topic more partitions."""
    async with _admin(bootstrap) as admin:
        await admin.create_partitions({topic: NewPartitions(partitions)})


async def expire(bootstrap: str, topic: str, offsets: Mapping[int, int]) -> None:
    """Delete what is before an offset, by partition, as retention does."""
    before = {
        TopicPartition(topic, number): RecordsToDelete(before_offset=offset)
        for number, offset in offsets.items()
    }
    async with _admin(bootstrap) as admin:
        await records.until_taken(lambda: admin.delete_records(before))


async def unread(bootstrap: str, topic: str, group: str) -> dict[int, tuple[int, int]]:
    """Return committed offset and end, by partition, where the group has something to read."""
    consumer = AIOKafkaConsumer(bootstrap_servers=bootstrap)
    await consumer.start()
    try:
        async with _admin(bootstrap) as admin:
            committed = await admin.list_consumer_group_offsets(group)
        mine = [partition for partition in committed if partition.topic == topic]
        ends = await consumer.end_offsets(mine)
    finally:
        await consumer.stop()
    return {
        one.partition: (committed[one].offset, ends[one])
        for one in mine
        if ends[one] > committed[one].offset
    }
