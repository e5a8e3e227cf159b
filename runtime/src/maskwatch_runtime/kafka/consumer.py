"""A group consumer that commits by hand, behind the work, and keeps its place meanwhile."""

import asyncio
from collections import deque
from collections.abc import Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Protocol

import structlog
from aiokafka import (
    AIOKafkaConsumer,
    ConsumerRebalanceListener,
    ConsumerRecord,
    TopicPartition,
)
from aiokafka.errors import CommitFailedError, IllegalStateError, KafkaError

from maskwatch_runtime.errors import Unavailable
from maskwatch_runtime.health import Health
from maskwatch_runtime.kafka.connection import client_options
from maskwatch_runtime.kafka.dead_letters import DeadLetters, Rejected
from maskwatch_runtime.kafka.message import Record
from maskwatch_runtime.retry import Backoff, sleep_unless_stopped, until_available
from maskwatch_runtime.settings import KafkaSettings

_log = structlog.get_logger()


class Handler(Protocol):
    """What a service does with records."""

    async def handle(self, records: Sequence[Record]) -> Sequence[Rejected]:
        """Do the work of the records, all or nothing, and return those that are invalid.

        Called again with the same records after Unavailable, and after a crash: must be repeatable.

        Raises:
            Unavailable: A dependency is away; nothing was done.
        """
        ...


@dataclass(frozen=True, slots=True)
class Subscription:
    """What is read, and how much of it at once.

    Attributes:
        topic: One topic.
        group: Consumer group.
        batch_records: Most records per call of the handler.
        batches: Calls of the handler under way at the same time.
        fetch_bytes: Most bytes fetched ahead per partition and in all.
    """

    topic: str
    group: str
    batch_records: int = 500
    batches: int = 3
    fetch_bytes: int = 16 * 1024 * 1024


@dataclass(slots=True)
class _Batch:
    work: "asyncio.Task[None]"
    offsets: dict[TopicPartition, int]
    abandoned: set[TopicPartition] = field(default_factory=set)


class Consumer:
    """Feeds a handler. Offsets are committed in order, only for batches that are done.

    While all batches are under way the partitions are paused and polled all the same, so that the
    group keeps this member however long a database is away.
    """

    def __init__(
        self,
        settings: KafkaSettings,
        subscription: Subscription,
        handler: Handler,
        *,
        dead_letters: DeadLetters,
        health: Health,
    ) -> None:
        self._settings = settings
        self._subscription = subscription
        self._handler = handler
        self._dead_letters = dead_letters
        self._health = health
        self._progress = health.track("consumer")
        self._batches: deque[_Batch] = deque()
        self._stop = asyncio.Event()

    async def run(self, stop: asyncio.Event) -> None:
        """Consume until `stop` is set, then finish what is in hand, commit and leave the group.

        Raises:
            TooManyInvalid: Nearly everything is refused; nothing of that was committed.
        """
        self._stop = stop
        backoff = Backoff(cap_s=10.0)
        while not stop.is_set():
            consumer = self._build()
            try:
                await self._start(consumer, backoff, stop)
                backoff.reset()
                await self._consume(consumer, stop)
            except Unavailable as error:
                self._wait_for(error)
                await sleep_unless_stopped(backoff.next_s(), stop=stop)
            finally:
                await self._close(consumer)

    def _build(self) -> AIOKafkaConsumer:
        return AIOKafkaConsumer(
            group_id=self._subscription.group,
            enable_auto_commit=False,
            auto_offset_reset="earliest",
            max_partition_fetch_bytes=self._subscription.fetch_bytes,
            fetch_max_bytes=self._subscription.fetch_bytes,
            session_timeout_ms=20_000,
            heartbeat_interval_ms=3_000,
            **client_options(self._settings),
        )

    async def _start(
        self, consumer: AIOKafkaConsumer, backoff: Backoff, stop: asyncio.Event
    ) -> None:
        consumer.subscribe([self._subscription.topic], listener=_Rebalance(self, consumer))

        async def start() -> None:
            try:
                await consumer.start()
            except (KafkaError, OSError) as error:
                raise Unavailable("kafka", str(error) or type(error).__name__) from error

        await until_available(start, backoff=backoff, stop=stop, on_wait=self._wait_for)
        self._health.present("kafka")
        _log.info("consuming", action="subscribe", topic=self._subscription.topic)

    async def _consume(self, consumer: AIOKafkaConsumer, stop: asyncio.Event) -> None:
        while not stop.is_set():
            is_full = len(self._batches) >= self._subscription.batches
            if is_full:
                consumer.pause(*consumer.assignment())
            else:
                consumer.resume(*consumer.paused())
            records = await self._poll(consumer, waits=not self._batches)
            self._begin(records)
            if self._batches:
                await self._settle(consumer, only_if_done=not is_full and bool(records))
            else:
                self._progress.made()

    async def _poll(self, consumer: AIOKafkaConsumer, *, waits: bool) -> list[Record]:
        try:
            fetched = await consumer.getmany(
                timeout_ms=500 if waits else 0, max_records=self._subscription.batch_records
            )
        except KafkaError as error:
            raise Unavailable("kafka", str(error) or type(error).__name__) from error
        return [_record(raw) for partition in fetched.values() for raw in partition]

    def _begin(self, records: list[Record]) -> None:
        if not records:
            return
        self._progress.waits()
        offsets = {
            TopicPartition(record.topic, record.partition): record.offset + 1 for record in records
        }
        self._batches.append(_Batch(asyncio.create_task(self._work(records)), offsets))

    async def _work(self, records: Sequence[Record]) -> None:
        """Handle a batch for as long as it takes; it is done when this returns."""
        missed: set[str] = set()

        async def handle() -> None:
            rejected = await self._handler.handle(records)
            await self._dead_letters.send(rejected, of=len(records))

        def on_wait(error: Unavailable) -> None:
            missed.add(error.dependency)
            self._wait_for(error)

        await until_available(handle, backoff=Backoff(), stop=self._stop, on_wait=on_wait)
        for dependency in missed:
            self._health.present(dependency)

    async def _settle(self, consumer: AIOKafkaConsumer, *, only_if_done: bool) -> None:
        """Commit the finished batches at the head of the queue; a later one waits for its turn."""
        if not only_if_done:
            await asyncio.wait({self._batches[0].work}, timeout=0.2)
        finished: dict[TopicPartition, int] = {}
        while self._batches and self._batches[0].work.done():
            batch = self._batches.popleft()
            batch.work.result()
            finished |= {
                partition: offset
                for partition, offset in batch.offsets.items()
                if partition not in batch.abandoned
            }
        if finished:
            await self._commit(consumer, finished)
            self._progress.made()
            if self._batches:
                self._progress.waits()

    async def _commit(self, consumer: AIOKafkaConsumer, offsets: dict[TopicPartition, int]) -> None:
        try:
            await consumer.commit(offsets)
        except (CommitFailedError, IllegalStateError) as error:
            # The group has moved on; whoever has the partition now handles the records again.
            _log.warning("commit refused", action="commit", reason=str(error))
        except KafkaError as error:
            raise Unavailable("kafka", str(error) or type(error).__name__) from error
        else:
            self._health.present("kafka")

    async def revoked(
        self, consumer: AIOKafkaConsumer, partitions: Iterable[TopicPartition]
    ) -> None:
        """Finish and commit what is in hand before another member gets the partitions."""
        with suppress(Unavailable):
            await self._finish(consumer, timeout_s=5.0)
        for batch in self._batches:
            batch.abandoned.update(partitions)

    async def _finish(self, consumer: AIOKafkaConsumer, *, timeout_s: float) -> None:
        if not self._batches:
            return
        await asyncio.wait({batch.work for batch in self._batches}, timeout=timeout_s)
        if self._batches and self._batches[0].work.done():
            await self._settle(consumer, only_if_done=True)

    async def _close(self, consumer: AIOKafkaConsumer) -> None:
        with suppress(Unavailable):
            await self._finish(consumer, timeout_s=self._settings.kafka_timeout_s / 2)
        for batch in self._batches:
            batch.work.cancel()
        await asyncio.gather(*(batch.work for batch in self._batches), return_exceptions=True)
        self._batches.clear()
        with suppress(TimeoutError, KafkaError):
            await asyncio.wait_for(consumer.stop(), 3.0)

    def _wait_for(self, error: Unavailable) -> None:
        self._health.missing(error.dependency, error.reason)
        self._progress.made()


class _Rebalance(ConsumerRebalanceListener):  # type: ignore[misc]  # aiokafka has no types
    def __init__(self, owner: Consumer, consumer: AIOKafkaConsumer) -> None:
        self._owner = owner
        self._consumer = consumer

    async def on_partitions_revoked(self, revoked: set[TopicPartition]) -> None:
        await self._owner.revoked(self._consumer, revoked)

    async def on_partitions_assigned(self, assigned: set[TopicPartition]) -> None:
        _log.info(
            "partitions assigned",
            action="assign",
            partitions=sorted(partition.partition for partition in assigned),
        )


def _record(raw: ConsumerRecord) -> Record:
    return Record(
        topic=raw.topic,
        partition=raw.partition,
        offset=raw.offset,
        timestamp_ms=raw.timestamp,
        key=raw.key,
        value=raw.value or b"",
        headers=tuple(raw.headers),
    )
