import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from uuid import uuid4

import pytest
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient
from devstack.kafka import Kafka, Topic, create_topics
from maskwatch_runtime.clock import SystemClock
from maskwatch_runtime.errors import TooManyInvalid, Unavailable
from maskwatch_runtime.health import Health
from maskwatch_runtime.kafka.consumer import Consumer, Subscription
from maskwatch_runtime.kafka.dead_letters import DeadLetters, Rejected
from maskwatch_runtime.kafka.message import Record
from maskwatch_runtime.kafka.publisher import KafkaPublisher
from maskwatch_runtime.settings import KafkaSettings
from prometheus_client import CollectorRegistry, Counter

from devstack import ports

Step = Callable[[Sequence[Record]], Awaitable[Sequence[Rejected]]]


class _Handler:
    """Does what `step` does with each batch, and remembers what it was done with."""

    def __init__(self, step: Step | None = None) -> None:
        self.done: list[Record] = []
        self.is_done = asyncio.Condition()
        self._step = step

    async def handle(self, records: Sequence[Record]) -> Sequence[Rejected]:
        rejected = await self._step(records) if self._step else []
        async with self.is_done:
            self.done.extend(records)
            self.is_done.notify_all()
        return rejected

    @property
    def values(self) -> list[int]:
        return [int(record.value) for record in self.done]

    async def until(self, values: set[int]) -> None:
        async with asyncio.timeout(30), self.is_done:
            await self.is_done.wait_for(lambda: values <= set(self.values))


class _Group:
    """A topic with its dead letter topic, and a consumer group on it."""

    def __init__(self, bootstrap: str) -> None:
        self.settings = KafkaSettings(kafka_bootstrap=bootstrap, kafka_timeout_s=5)
        suffix = uuid4().hex[:8]
        self.topic, self.letters, self.name = f"in-{suffix}", f"dlq-{suffix}", f"group-{suffix}"
        self.health = Health(SystemClock())

    async def publish(self, values: Sequence[int], *, partition: int = 0) -> None:
        producer = AIOKafkaProducer(bootstrap_servers=self.settings.kafka_bootstrap)
        await producer.start()
        for value in values:
            await producer.send(
                self.topic, str(value).encode(), partition=partition, headers=[("h", b"1")]
            )
        await producer.stop()

    async def run(
        self,
        handler: _Handler,
        stop: asyncio.Event,
        *,
        in_a_row_max: int = 1000,
        **subscription: float,
    ) -> None:
        """Consume until told to stop."""
        publisher = KafkaPublisher(self.settings)
        letters = DeadLetters(
            publisher,
            topic=self.letters,
            counter=Counter("rejected", "-", registry=CollectorRegistry()),
            in_a_row_max=in_a_row_max,
        )
        read = Subscription(self.topic, self.name, **subscription)  # type: ignore[arg-type]
        consumer = Consumer(self.settings, read, handler, dead_letters=letters, health=self.health)
        try:
            await consumer.run(stop)
        finally:
            await publisher.close()

    @asynccontextmanager
    async def running(self, handler: _Handler, **options: float) -> AsyncIterator[None]:
        """Consume for as long as the block runs, then stop in order."""
        stop = asyncio.Event()
        running = asyncio.create_task(self.run(handler, stop, **options))  # type: ignore[arg-type]
        try:
            yield
        finally:
            stop.set()
            async with asyncio.timeout(20):
                await running

    async def committed(self, partition: int = 0) -> int:
        """Return the offset at which the group goes on; 0 when it never committed."""
        admin = AIOKafkaAdminClient(bootstrap_servers=self.settings.kafka_bootstrap)
        await admin.start()
        offsets = await admin.list_consumer_group_offsets(self.name)
        await admin.close()
        found = offsets.get(TopicPartition(self.topic, partition))
        return found.offset if found else 0

    async def dead_letters(self, count: int) -> list[tuple[bytes, dict[str, bytes]]]:
        """Return the first letters, with their headers."""
        consumer = AIOKafkaConsumer(
            self.letters,
            bootstrap_servers=self.settings.kafka_bootstrap,
            auto_offset_reset="earliest",
        )
        await consumer.start()
        try:
            async with asyncio.timeout(20):
                found = [await consumer.getone() for _ in range(count)]
        finally:
            await consumer.stop()
        return [(letter.value, dict(letter.headers)) for letter in found]


@pytest.fixture
async def group(kafka: str) -> _Group:
    group = _Group(kafka)
    await create_topics(kafka, [Topic(name=group.topic, partitions=2), Topic(name=group.letters)])
    return group


async def _never(_: Sequence[Record]) -> Sequence[Rejected]:
    raise Unavailable("postgres", "the test took it away")


async def test_records_are_handled_in_order_and_committed(group: _Group) -> None:
    await group.publish(range(50))
    handler = _Handler()

    async with group.running(handler, batches=1):
        await handler.until(set(range(50)))

    assert handler.values == list(range(50))
    assert handler.done[0].topic == group.topic
    assert handler.done[0].header("h") == "1"
    assert await group.committed() == 50


async def test_restarted_group_goes_on_where_it_stopped(group: _Group) -> None:
    await group.publish(range(10))
    before = _Handler()
    async with group.running(before):
        await before.until(set(range(10)))
    await group.publish(range(10, 20))

    after = _Handler()
    async with group.running(after):
        await after.until(set(range(10, 20)))

    assert after.values == list(range(10, 20))


async def test_nothing_is_committed_while_a_dependency_is_away(group: _Group) -> None:
    await group.publish(range(10))
    tries = 0
    is_back = asyncio.Event()

    async def step(_: Sequence[Record]) -> Sequence[Rejected]:
        nonlocal tries
        tries += 1
        if not is_back.is_set():
            raise Unavailable("postgres", "the test took it away")
        return []

    handler = _Handler(step)
    async with group.running(handler):
        async with asyncio.timeout(20):
            while tries < 3:
                await asyncio.sleep(0.02)
        assert handler.done == []
        assert await group.committed() == 0
        assert group.health.not_ready() == {"postgres": "the test took it away"}
        assert group.health.not_live() == []
        is_back.set()
        await handler.until(set(range(10)))
        async with asyncio.timeout(20):
            while group.health.not_ready():
                await asyncio.sleep(0.02)

    assert await group.committed() == 10


async def test_stop_while_a_dependency_is_away_commits_nothing(group: _Group) -> None:
    await group.publish(range(10))
    handler = _Handler(_never)

    async with group.running(handler):
        async with asyncio.timeout(20):
            while not group.health.not_ready():
                await asyncio.sleep(0.02)

    assert await group.committed() == 0


async def test_nothing_behind_a_batch_that_waits_is_committed_at_the_end(group: _Group) -> None:
    await group.publish(range(3))

    async def step(records: Sequence[Record]) -> Sequence[Rejected]:
        return await _never(records) if records[0].offset == 0 else []

    handler = _Handler(step)
    async with group.running(handler, batch_records=1, batches=3):
        await handler.until({1, 2})

    assert await group.committed() == 0


async def test_bug_in_a_batch_ends_the_consumer_and_commits_nothing_behind_it(
    group: _Group,
) -> None:
    await group.publish(range(4))
    others = asyncio.Event()

    async def step(records: Sequence[Record]) -> Sequence[Rejected]:
        if records[0].offset == 1:
            await others.wait()
            raise RuntimeError("a bug")
        if records[0].offset == 3:
            others.set()
        return []

    handler = _Handler(step)
    with pytest.raises(RuntimeError, match="a bug"):
        await group.run(handler, asyncio.Event(), batch_records=1, batches=4)

    assert await group.committed() == 1
    after = _Handler()
    async with group.running(after):
        await after.until({1, 2, 3})
    assert after.values == [1, 2, 3]


async def test_bug_while_stopping_is_not_kept_quiet(group: _Group) -> None:
    await group.publish([0])
    began, stop = asyncio.Event(), asyncio.Event()

    async def step(_: Sequence[Record]) -> Sequence[Rejected]:
        began.set()
        await stop.wait()
        raise RuntimeError("a bug")

    running = asyncio.create_task(group.run(_Handler(step), stop))
    async with asyncio.timeout(20):
        await began.wait()
    stop.set()

    with pytest.raises(RuntimeError, match="a bug"):
        await running
    assert await group.committed() == 0


async def test_stop_finishes_and_commits_what_is_in_hand(group: _Group) -> None:
    await group.publish(range(5))
    began, may_end = asyncio.Event(), asyncio.Event()

    async def step(_: Sequence[Record]) -> Sequence[Rejected]:
        began.set()
        await may_end.wait()
        return []

    stop = asyncio.Event()
    handler = _Handler(step)
    running = asyncio.create_task(group.run(handler, stop))
    async with asyncio.timeout(20):
        await began.wait()
    stop.set()
    may_end.set()
    await running

    assert await group.committed() == len(handler.done) > 0


async def test_crash_before_the_commit_redelivers(group: _Group) -> None:
    await group.publish(range(5))
    handler = _Handler()

    async def step(_: Sequence[Record]) -> Sequence[Rejected]:
        # The work is done and the process dies before the offset is committed.
        raise RuntimeError("killed")

    with pytest.raises(RuntimeError, match="killed"):
        await group.run(_Handler(step), asyncio.Event())
    async with group.running(handler):
        await handler.until(set(range(5)))

    assert handler.values == list(range(5))


async def test_rejected_records_become_dead_letters_and_the_rest_goes_on(group: _Group) -> None:
    await group.publish(range(6))

    async def step(records: Sequence[Record]) -> Sequence[Rejected]:
        return [Rejected(one, "field", "is odd") for one in records if int(one.value) % 2]

    handler = _Handler(step)
    async with group.running(handler):
        await handler.until(set(range(6)))

    letters = await group.dead_letters(3)
    assert [value for value, _ in letters] == [b"1", b"3", b"5"]
    headers = letters[0][1]
    assert headers["h"] == b"1"
    assert headers["dlq.topic"] == group.topic.encode()
    assert (headers["dlq.offset"], headers["dlq.reason"]) == (b"1", b"is odd")
    assert await group.committed() == 6


async def test_too_many_invalid_stop_the_consumer_and_nothing_is_lost(group: _Group) -> None:
    await group.publish(range(40))

    async def step(records: Sequence[Record]) -> Sequence[Rejected]:
        return [Rejected(one, "field", "is wrong") for one in records]

    with pytest.raises(TooManyInvalid, match="field is wrong"):
        await group.run(
            _Handler(step), asyncio.Event(), in_a_row_max=10, batch_records=5, batches=3
        )

    committed = await group.committed()
    assert committed <= 10
    letters = await group.dead_letters(committed)
    assert [int(value) for value, _ in letters] == list(range(committed))


async def test_partitions_that_wait_for_long_lose_nothing(group: _Group) -> None:
    await group.publish(range(100))
    await group.publish(range(100, 200), partition=1)
    may_go_on = asyncio.Event()

    async def step(_: Sequence[Record]) -> Sequence[Rejected]:
        await may_go_on.wait()
        return []

    handler = _Handler(step)
    # Silence ends at once: while the batches wait, the partitions are paused again and again.
    async with group.running(handler, batch_records=10, batches=2, silence_s=0.0):
        await asyncio.sleep(1.5)  # the time itself is what is tested
        may_go_on.set()
        await handler.until(set(range(200)))

    assert sorted(handler.values) == list(range(200))
    assert [value for value in handler.values if value < 100] == list(range(100))
    assert (await group.committed(), await group.committed(1)) == (100, 100)


async def test_members_come_and_go_and_every_record_is_handled(group: _Group) -> None:
    first, second = _Handler(), _Handler()
    async with group.running(first, batch_records=5):
        await group.publish(range(20))
        await first.until(set(range(20)))
        async with group.running(second, batch_records=5):
            # Both partitions get records until the newcomer has one of them.
            count = 20
            async with asyncio.timeout(30):
                while not second.done:
                    await group.publish([count], partition=count % 2)
                    count += 1
        await group.publish(range(count, count + 10))
        await first.until(set(range(count + 10)) - set(second.values))

    total = await group.committed() + await group.committed(1)
    assert total == count + 10


async def test_broker_that_was_restarted_is_consumed_again(
    group: _Group, kafka_server: Kafka
) -> None:
    handler = _Handler()
    async with group.running(handler):
        await group.publish(range(5))
        await handler.until(set(range(5)))
        await asyncio.to_thread(kafka_server.restart)
        await group.publish(range(5, 10))
        await handler.until(set(range(10)))

    assert await group.committed() == 10


async def test_broker_that_is_away_is_named_and_a_stop_is_heard() -> None:
    (port,) = ports.free(1)
    group = _Group(f"127.0.0.1:{port}")

    async with group.running(_Handler()):
        async with asyncio.timeout(20):
            while "kafka" not in group.health.not_ready():
                await asyncio.sleep(0.02)
        assert group.health.not_live() == []


async def test_topic_that_is_missing_is_named(kafka: str) -> None:
    group = _Group(kafka)

    async with group.running(_Handler()):
        async with asyncio.timeout(30):
            while "kafka" not in group.health.not_ready():
                await asyncio.sleep(0.02)
