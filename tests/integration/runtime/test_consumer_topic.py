"""What happens to the topic under a consumer."""

import asyncio
from collections.abc import Callable

from aiokafka import TopicPartition
from aiokafka.admin import AIOKafkaAdminClient, NewPartitions, RecordsToDelete
from devstack.kafka import Topic, create_topics
from maskwatch_runtime.clock import SystemClock
from maskwatch_runtime.health import Health

from tests.integration.runtime.consumer_group import Group, Handler


async def _until(condition: Callable[[], bool], *, timeout_s: float = 40) -> None:
    async with asyncio.timeout(timeout_s):
        while not condition():
            await asyncio.sleep(0.05)


async def _expire(group: Group, offset: int) -> None:
    admin = AIOKafkaAdminClient(bootstrap_servers=group.settings.kafka_bootstrap)
    await admin.start()
    before = RecordsToDelete(before_offset=offset)
    await admin.delete_records({TopicPartition(group.topic, 0): before})
    await admin.close()


async def test_topic_that_is_missing_is_named(kafka: str) -> None:
    group = Group(kafka)

    async with group.running(Handler()):
        await _until(lambda: f"topic {group.topic}" in group.health.not_ready())
        assert group.health.not_live() == []


async def test_topic_that_vanishes_is_named_and_consumed_once_it_is_back(group: Group) -> None:
    handler = Handler()
    group.health = Health(SystemClock(), stalled_after_s=3)
    async with group.running(handler):
        await group.publish(range(3))
        await handler.until(set(range(3)))
        admin = AIOKafkaAdminClient(bootstrap_servers=group.settings.kafka_bootstrap)
        await admin.start()
        await admin.delete_topics([group.topic])
        await admin.close()
        await _until(lambda: f"topic {group.topic}" in group.health.not_ready())
        await create_topics(group.settings.kafka_bootstrap, [Topic(name=group.topic, partitions=2)])
        await _until(lambda: not group.health.not_ready())
        await group.publish(range(3, 6))
        await handler.until(set(range(6)))


async def test_partition_that_is_added_is_read_from_its_beginning(group: Group) -> None:
    handler = Handler()
    async with group.running(handler):
        await group.publish(range(3))
        await handler.until(set(range(3)))
        admin = AIOKafkaAdminClient(bootstrap_servers=group.settings.kafka_bootstrap)
        await admin.start()
        await admin.create_partitions({group.topic: NewPartitions(3)})
        await admin.close()
        await group.publish(range(3, 6), partition=2)
        await handler.until(set(range(6)))

    assert await group.committed(2) == 3


async def test_records_that_retention_took_are_counted_once(group: Group) -> None:
    before, after = Handler(), Handler()
    await group.publish(range(5))
    async with group.running(before):
        await before.until(set(range(5)))
    await group.publish(range(5, 20))
    await _expire(group, 12)

    async with group.running(after):
        await after.until(set(range(12, 20)))
    async with group.running(Handler()):
        await group.publish([20])
        await _until(lambda: bool(group.gaps))

    assert after.values == list(range(12, 20))
    assert group.gaps == [7]
    assert any("7 records" in reason for reason in group.health.degradations().values())


async def test_offset_behind_the_end_goes_back_to_the_earliest_record(group: Group) -> None:
    handler = Handler()
    await group.publish(range(3))
    await group.commit(500)

    async with group.running(handler):
        await handler.until(set(range(3)))

    assert group.gaps == []
    assert await group.committed() == 3
