"""A member of a consumer group in aiokafka's terms, and how it gets in."""

import asyncio
from contextlib import suppress
from dataclasses import dataclass

from aiokafka import AIOKafkaConsumer
from aiokafka.errors import KafkaError, UnknownTopicOrPartitionError

from maskwatch_runtime.kafka.connection import client_options, not_let_in
from maskwatch_runtime.kafka.outcome import TopicMissing
from maskwatch_runtime.settings import KafkaSettings

# So soon a partition that was added, or a topic that is gone, is noticed. Kafka's own default of
# five minutes would leave what is in a new partition lying for as long.
_METADATA_MS = 10_000
_LEAVE_S = 3.0


@dataclass(frozen=True, slots=True)
class Subscription:
    """What is read, and how much of it at once.

    Attributes:
        topic: One topic.
        group: Consumer group.
        batch_records: Most records per call of the handler.
        batches: Calls of the handler under way at the same time.
        partition_fetch_bytes: Most bytes fetched ahead per partition; a larger message comes alone.
            Memory holds this for every partition, and again for every batch under way.
        silence_s: Seconds without a poll after which a member shows that it lives. The group gives
            it up after max_poll_interval_ms, 300 s.
    """

    topic: str
    group: str
    batch_records: int = 500
    batches: int = 3
    partition_fetch_bytes: int = 1024 * 1024
    silence_s: float = 10.0


def member(settings: KafkaSettings, subscription: Subscription) -> AIOKafkaConsumer:
    """Return a consumer of the group, not started."""
    return AIOKafkaConsumer(
        group_id=subscription.group,
        enable_auto_commit=False,
        # Where there is no offset, or one that is gone, we decide; see `resets`.
        auto_offset_reset="none",
        max_partition_fetch_bytes=subscription.partition_fetch_bytes,
        # aiokafka has one fetch under way per broker: while it waits for a partition that has
        # nothing new, the others' records are not fetched. With its own 500 ms 17,500 records a
        # second were archived where 100 ms gave 19,300 (medians of six runs).
        fetch_max_wait_ms=100,
        # As soon as this after a member died, another one takes its partitions.
        session_timeout_ms=10_000,
        heartbeat_interval_ms=3_000,
        metadata_max_age_ms=_METADATA_MS,
        **client_options(settings),
    )


async def join(
    consumer: AIOKafkaConsumer,
    settings: KafkaSettings,
    subscription: Subscription,
    *,
    stop: asyncio.Event,
) -> None:
    """Start the consumer, which may have to wait for a member that died; not longer than `stop`.

    Raises:
        Unavailable: The broker does not answer, lets nobody in, or does not know the topic.
    """
    try:
        async with asyncio.timeout(2 * settings.kafka_timeout_s):
            await _started_or_stopped(consumer, stop)
    except UnknownTopicOrPartitionError as error:
        raise TopicMissing(subscription.topic) from error
    except (KafkaError, OSError, TimeoutError) as error:
        raise await not_let_in(error, settings) from error


async def leave(consumer: AIOKafkaConsumer) -> None:
    """Stop the consumer, within a bounded time.

    In a task of its own: with a broker that is away, aiokafka 0.14 cancels its fetches and lets
    their CancelledError out of `stop`, which would end the caller.
    """
    stopping = asyncio.create_task(consumer.stop())
    await asyncio.wait({stopping}, timeout=_LEAVE_S)
    stopping.cancel()
    await asyncio.gather(stopping, return_exceptions=True)
    with suppress(TimeoutError, KafkaError):
        async with asyncio.timeout(_LEAVE_S):
            await consumer._client.close()  # noqa: SLF001 - `stop` has not come as far


async def _started_or_stopped(consumer: AIOKafkaConsumer, stop: asyncio.Event) -> None:
    starting = asyncio.create_task(consumer.start())
    stopping = asyncio.create_task(stop.wait())
    try:
        await asyncio.wait({starting, stopping}, return_when=asyncio.FIRST_COMPLETED)
        if starting.done():
            starting.result()
    finally:
        for task in (starting, stopping):
            task.cancel()
        await asyncio.gather(starting, stopping, return_exceptions=True)
