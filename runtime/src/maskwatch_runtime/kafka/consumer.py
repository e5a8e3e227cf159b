"""A group consumer that commits by hand, behind the work, and keeps its place meanwhile."""

import asyncio
from collections.abc import Callable, Iterable
from contextlib import suppress
from typing import Any

import structlog
from aiokafka import AIOKafkaConsumer, ConsumerRebalanceListener, TopicPartition
from aiokafka.errors import KafkaError, NoOffsetForPartitionError, OffsetOutOfRangeError

from maskwatch_runtime.errors import Unavailable
from maskwatch_runtime.health import Health
from maskwatch_runtime.kafka import joining, resets
from maskwatch_runtime.kafka.commits import Commits
from maskwatch_runtime.kafka.connection import unavailable
from maskwatch_runtime.kafka.dead_letters import DeadLetters
from maskwatch_runtime.kafka.in_flight import InFlight
from maskwatch_runtime.kafka.joining import Subscription
from maskwatch_runtime.kafka.lookout import Lookout
from maskwatch_runtime.kafka.message import Record, from_client
from maskwatch_runtime.kafka.work import RETRY_CAP_S, Handler, Work
from maskwatch_runtime.retry import Backoff, sleep_unless_stopped
from maskwatch_runtime.settings import KafkaSettings

__all__ = ["Consumer", "Handler", "Subscription"]

_log = structlog.get_logger()
_IDLE_S = 0.5
_LOOKS = 6  # so often is the topic looked at in the time after which a consumer counts as stalled


class Consumer:
    """Feeds a handler. Offsets are committed in order, only for batches that are done.

    When all batches stay under way for long, the partitions are paused and polled all the same, so
    that the group keeps this member however long a database is away.

    Args:
        settings: How to reach the broker.
        subscription: What is read.
        handler: Does the work.
        dead_letters: Where what is invalid goes.
        health: Told what is away, and of progress.
        on_gap: Told how many records retention has deleted before they were read.
    """

    def __init__(  # noqa: PLR0913 - the parts that it is wired from
        self,
        settings: KafkaSettings,
        subscription: Subscription,
        handler: Handler,
        *,
        dead_letters: DeadLetters,
        health: Health,
        on_gap: Callable[[int], None] = lambda _: None,
    ) -> None:
        self._settings = settings
        self._subscription = subscription
        self._on_gap = on_gap
        self._work = Work(handler, dead_letters, on_wait=self._wait_for, on_back=health.present)
        self._health = health
        name = f"consumer of {subscription.topic}"
        self._progress = health.track(name)
        self._fetching = health.track(f"{name}, fetching")
        self._in_flight = InFlight()
        self._polled_s = 0.0
        self._stop = asyncio.Event()

    async def run(self, stop: asyncio.Event) -> None:
        """Consume until `stop` is set, then finish what is in hand, commit and leave the group."""
        self._stop = stop
        backoff = Backoff(cap_s=RETRY_CAP_S)
        while not stop.is_set():
            consumer = joining.member(self._settings, self._subscription)
            lookout = self._lookout(consumer)
            commits = Commits(consumer, lookout=lookout, on_wait=self._wait_for)
            try:
                await self._start(consumer, commits)
                backoff.reset()
                await self._consume(consumer, commits, lookout, stop)
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
                await self._close(consumer, commits)

    async def _start(self, consumer: AIOKafkaConsumer, commits: Commits) -> None:
        topic = self._subscription.topic
        consumer.subscribe([topic], listener=_Rebalance(self, commits))
        await joining.join(consumer, self._settings, self._subscription, stop=self._stop)
        if self._stop.is_set():
            return
        for back in ("kafka", f"topic {topic}"):
            self._health.present(back)
        _log.info("consuming", action="subscribe", topic=topic)

    async def _consume(
        self, consumer: AIOKafkaConsumer, commits: Commits, lookout: Lookout, stop: asyncio.Event
    ) -> None:
        polling: asyncio.Task[list[Record]] | None = None
        every_s = self._fetching.stalled_after_s / _LOOKS
        looking = asyncio.create_task(lookout.watch(every_s=every_s))
        try:
            while not stop.is_set():
                if polling is None and not self._is_full:
                    consumer.resume(*consumer.paused())
                    polling = asyncio.create_task(self._poll(consumer))
                awaited: set[asyncio.Task[Any]] = {looking, *self._in_flight.oldest}
                awaited |= {polling} if polling else set()
                await asyncio.wait(awaited, timeout=_IDLE_S, return_when=asyncio.FIRST_COMPLETED)
                if polling and polling.done():
                    if self._begin(polling.result()):
                        lookout.moved()
                    polling = None
                if self._is_full:
                    lookout.moved()
                if looking.done():
                    looking.result()
                await self._settle(commits)
                await self._keep_place(consumer)
        finally:
            side = [looking] if polling is None else [looking, polling]
            for task in side:
                task.cancel()
            await asyncio.gather(*side, return_exceptions=True)
            self._fetching.made()

    def _lookout(self, consumer: AIOKafkaConsumer) -> Lookout:
        return Lookout(
            consumer,
            self._subscription.topic,
            health=self._health,
            progress=self._fetching,
            timeout_s=self._settings.kafka_timeout_s,
        )

    @property
    def _is_full(self) -> bool:
        return len(self._in_flight) >= self._subscription.batches

    async def _poll(self, consumer: AIOKafkaConsumer) -> list[Record]:
        self._polled_s = asyncio.get_running_loop().time()
        try:
            fetched = await consumer.getmany(
                timeout_ms=int(_IDLE_S * 1000), max_records=self._subscription.batch_records
            )
        except (NoOffsetForPartitionError, OffsetOutOfRangeError) as error:
            await self._reset(consumer, error)
            return []
        except KafkaError as error:
            raise unavailable(error) from error
        return [from_client(raw) for partition in fetched.values() for raw in partition]

    async def _reset(
        self, consumer: AIOKafkaConsumer, error: NoOffsetForPartitionError | OffsetOutOfRangeError
    ) -> None:
        """Go on at the earliest record, and commit that behind what is under way."""
        try:
            async with asyncio.timeout(self._settings.kafka_timeout_s):
                done = await resets.reset(consumer, error)
        except (KafkaError, TimeoutError) as failure:
            raise unavailable(failure) from failure
        for one in done:
            self._in_flight.begin(_nothing(), {one.partition: one.offset})
            if one.missed:
                self._on_gap(one.missed)
                part = f"partition {one.partition.partition} of {one.partition.topic}"
                reason = f"retention deleted {one.missed} records before they were read"
                self._health.degraded(part, reason)

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

    def _begin(self, records: list[Record]) -> bool:
        """Start the work of what was fetched, and return whether there is any."""
        if not records:
            return False
        self._progress.waits()
        offsets = {
            TopicPartition(record.topic, record.partition): record.offset + 1 for record in records
        }
        self._in_flight.begin(self._work.do(records, stop=self._stop), offsets)
        return True

    async def _settle(self, commits: Commits) -> None:
        """Commit what is done, in order, and raise what the oldest batch failed with."""
        await self._commit_done(commits, timeout_s=self._settings.kafka_timeout_s)
        failure = self._in_flight.failure()
        if failure is not None:
            raise failure
        if not self._in_flight:
            self._progress.made()

    async def _commit_done(self, commits: Commits, *, timeout_s: float) -> None:
        commits.add(self._in_flight.take_done())
        if not await commits.flush(timeout_s=timeout_s):
            return
        self._health.present("kafka")
        self._progress.made()
        if self._in_flight:
            self._progress.waits()

    async def revoked(self, commits: Commits, partitions: Iterable[TopicPartition]) -> None:
        """Finish and commit what is in hand before another member gets the partitions."""
        await self._finish(commits, timeout_s=5.0)
        self._in_flight.abandon(partitions)
        commits.forget(partitions)

    async def _finish(self, commits: Commits, *, timeout_s: float) -> None:
        await self._in_flight.wait(timeout_s=timeout_s)
        with suppress(Unavailable):
            await self._commit_done(commits, timeout_s=2.0)

    async def _close(self, consumer: AIOKafkaConsumer, commits: Commits) -> None:
        try:
            await self._finish(commits, timeout_s=self._settings.kafka_timeout_s / 2)
            failure = self._in_flight.failure()
        finally:
            await self._in_flight.cancel()
            await joining.leave(consumer)
        if failure is not None and not isinstance(failure, Unavailable):
            raise failure

    def _wait_for(self, error: Unavailable) -> None:
        self._health.missing(error.dependency, error.reason)
        self._progress.made()


async def _nothing() -> None:
    """No work: a batch that consists of an offset alone."""


class _Rebalance(ConsumerRebalanceListener):  # type: ignore[misc]  # aiokafka has no types
    def __init__(self, owner: Consumer, commits: Commits) -> None:
        self._owner = owner
        self._commits = commits

    async def on_partitions_revoked(self, revoked: set[TopicPartition]) -> None:
        await self._owner.revoked(self._commits, revoked)

    async def on_partitions_assigned(self, assigned: set[TopicPartition]) -> None:
        _log.info(
            "partitions assigned",
            action="assign",
            partitions=sorted(partition.partition for partition in assigned),
        )
