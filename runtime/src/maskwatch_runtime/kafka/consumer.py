"""A group consumer that commits by hand, behind the work, and keeps its place meanwhile."""

import asyncio
from collections.abc import Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, Protocol

import structlog
from aiokafka import AIOKafkaConsumer, ConsumerRebalanceListener, TopicPartition
from aiokafka.errors import CommitFailedError, IllegalStateError, KafkaError

from maskwatch_runtime.errors import Unavailable
from maskwatch_runtime.health import Health
from maskwatch_runtime.kafka.connection import client_options, unavailable
from maskwatch_runtime.kafka.dead_letters import DeadLetters, Rejected
from maskwatch_runtime.kafka.in_flight import InFlight
from maskwatch_runtime.kafka.message import Record, from_client
from maskwatch_runtime.retry import Backoff, sleep_unless_stopped, until_available
from maskwatch_runtime.settings import KafkaSettings

_log = structlog.get_logger()

_IDLE_S = 0.5


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


class Consumer:
    """Feeds a handler. Offsets are committed in order, only for batches that are done.

    When all batches stay under way for long, the partitions are paused and polled all the same, so
    that the group keeps this member however long a database is away.
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
        self._progress = health.track(f"consumer of {subscription.topic}")
        self._in_flight = InFlight()
        self._polled_s = 0.0
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
                await self._start(consumer)
                backoff.reset()
                await self._consume(consumer, stop)
            except Unavailable as error:
                self._wait_for(error)
                _log.warning(
                    "waiting for a dependency",
                    action="consume",
                    dependency=error.dependency,
                    reason=error.reason,
                )
                await sleep_unless_stopped(backoff.next_s(), stop=stop)
            finally:
                await self._close(consumer)

    def _build(self) -> AIOKafkaConsumer:
        return AIOKafkaConsumer(
            group_id=self._subscription.group,
            enable_auto_commit=False,
            auto_offset_reset="earliest",
            max_partition_fetch_bytes=self._subscription.partition_fetch_bytes,
            session_timeout_ms=10_000,
            heartbeat_interval_ms=3_000,
            **client_options(self._settings),
        )

    async def _start(self, consumer: AIOKafkaConsumer) -> None:
        consumer.subscribe([self._subscription.topic], listener=_Rebalance(self, consumer))
        try:
            async with asyncio.timeout(2 * self._settings.kafka_timeout_s):
                await self._started_or_stopped(consumer)
        except (KafkaError, OSError, TimeoutError) as error:
            raise unavailable(error) from error
        if self._stop.is_set():
            return
        self._health.present("kafka")
        _log.info("consuming", action="subscribe", topic=self._subscription.topic)

    async def _started_or_stopped(self, consumer: AIOKafkaConsumer) -> None:
        """Join the group, which may have to wait for a member that died; not longer than `stop`."""
        starting = asyncio.create_task(consumer.start())
        stopping = asyncio.create_task(self._stop.wait())
        try:
            await asyncio.wait({starting, stopping}, return_when=asyncio.FIRST_COMPLETED)
            if starting.done():
                starting.result()
        finally:
            for task in (starting, stopping):
                task.cancel()
            await asyncio.gather(starting, stopping, return_exceptions=True)

    async def _consume(self, consumer: AIOKafkaConsumer, stop: asyncio.Event) -> None:
        polling: asyncio.Task[list[Record]] | None = None
        try:
            while not stop.is_set():
                if polling is None and not self._is_full:
                    consumer.resume(*consumer.paused())
                    polling = asyncio.create_task(self._poll(consumer))
                awaited: set[asyncio.Task[Any]] = {*self._in_flight.oldest}
                awaited |= {polling} if polling else set()
                await asyncio.wait(awaited, timeout=_IDLE_S, return_when=asyncio.FIRST_COMPLETED)
                if polling and polling.done():
                    self._begin(polling.result())
                    polling = None
                await self._settle(consumer)
                await self._keep_place(consumer)
        finally:
            if polling is not None:
                polling.cancel()
                await asyncio.gather(polling, return_exceptions=True)

    @property
    def _is_full(self) -> bool:
        return len(self._in_flight) >= self._subscription.batches

    async def _poll(self, consumer: AIOKafkaConsumer) -> list[Record]:
        self._polled_s = asyncio.get_running_loop().time()
        try:
            fetched = await consumer.getmany(
                timeout_ms=int(_IDLE_S * 1000), max_records=self._subscription.batch_records
            )
        except KafkaError as error:
            raise unavailable(error) from error
        return [from_client(raw) for partition in fetched.values() for raw in partition]

    async def _keep_place(self, consumer: AIOKafkaConsumer) -> None:
        """Show the group that this member lives although it takes no more records for now.

        Not at once: aiokafka throws away what it has fetched of a partition that is paused.
        """
        now_s = asyncio.get_running_loop().time()
        if not self._is_full or now_s - self._polled_s < self._subscription.silence_s:
            return
        self._polled_s = now_s
        consumer.pause(*consumer.assignment())
        try:
            await consumer.getmany(timeout_ms=0)
        except KafkaError as error:
            raise unavailable(error) from error

    def _begin(self, records: list[Record]) -> None:
        if not records:
            return
        self._progress.waits()
        offsets = {
            TopicPartition(record.topic, record.partition): record.offset + 1 for record in records
        }
        self._in_flight.begin(self._work(records), offsets)

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

    async def _settle(self, consumer: AIOKafkaConsumer) -> None:
        """Commit what is done, in order, and raise what the oldest batch failed with."""
        await self._commit_done(consumer, timeout_s=self._settings.kafka_timeout_s)
        failure = self._in_flight.failure()
        if failure is not None:
            raise failure
        if not self._in_flight:
            self._progress.made()

    async def _commit_done(self, consumer: AIOKafkaConsumer, *, timeout_s: float) -> None:
        offsets = self._in_flight.take_done()
        if not offsets:
            return
        await self._commit(consumer, offsets, timeout_s=timeout_s)
        self._progress.made()
        if self._in_flight:
            self._progress.waits()

    async def _commit(
        self, consumer: AIOKafkaConsumer, offsets: dict[TopicPartition, int], *, timeout_s: float
    ) -> None:
        try:
            # aiokafka looks for a lost coordinator without end.
            async with asyncio.timeout(timeout_s):
                await consumer.commit(offsets)
        except (CommitFailedError, IllegalStateError) as error:
            # The group has moved on; whoever has the partition now handles the records again.
            _log.warning("commit refused", action="commit", reason=str(error))
        except (KafkaError, TimeoutError) as error:
            raise unavailable(error) from error
        else:
            self._health.present("kafka")

    async def revoked(
        self, consumer: AIOKafkaConsumer, partitions: Iterable[TopicPartition]
    ) -> None:
        """Finish and commit what is in hand before another member gets the partitions."""
        await self._finish(consumer, timeout_s=5.0)
        self._in_flight.abandon(partitions)

    async def _finish(self, consumer: AIOKafkaConsumer, *, timeout_s: float) -> None:
        await self._in_flight.wait(timeout_s=timeout_s)
        with suppress(Unavailable):
            await self._commit_done(consumer, timeout_s=2.0)

    async def _close(self, consumer: AIOKafkaConsumer) -> None:
        try:
            await self._finish(consumer, timeout_s=self._settings.kafka_timeout_s / 2)
            failure = self._in_flight.failure()
        finally:
            await self._in_flight.cancel()
            with suppress(TimeoutError, KafkaError):
                await asyncio.wait_for(consumer.stop(), 3.0)
        if failure is not None and not isinstance(failure, Unavailable):
            raise failure

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
