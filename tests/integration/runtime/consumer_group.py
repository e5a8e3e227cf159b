"""A consumer group on topics of its own, and a handler that remembers."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from uuid import uuid4

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient
from maskwatch_runtime.clock import SystemClock
from maskwatch_runtime.health import Health
from maskwatch_runtime.kafka.consumer import Consumer, Subscription
from maskwatch_runtime.kafka.dead_letters import DeadLetters, Rejected
from maskwatch_runtime.kafka.message import Record
from maskwatch_runtime.kafka.publisher import KafkaPublisher
from maskwatch_runtime.settings import KafkaSettings
from prometheus_client import CollectorRegistry, Counter

Step = Callable[[Sequence[Record]], Awaitable[Sequence[Rejected]]]


class Handler:
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


class Group:
    """A topic with its dead letter topic, and a consumer group on it."""

    def __init__(self, bootstrap: str) -> None:
        self.settings = KafkaSettings(kafka_bootstrap=bootstrap, kafka_timeout_s=5)
        suffix = uuid4().hex[:8]
        self.topic, self.letters, self.name = f"in-{suffix}", f"dlq-{suffix}", f"group-{suffix}"
        self.health = Health(SystemClock())
        self.gaps: list[int] = []

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
        handler: Handler,
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
        consumer = Consumer(
            self.settings,
            read,
            handler,
            dead_letters=letters,
            health=self.health,
            on_gap=self.gaps.append,
        )
        try:
            await consumer.run(stop)
        finally:
            await publisher.close()

    @asynccontextmanager
    async def running(self, handler: Handler, **options: float) -> AsyncIterator[None]:
        """Consume for as long as the block runs, then stop in order."""
        stop = asyncio.Event()
        running = asyncio.create_task(self.run(handler, stop, **options))  # type: ignore[arg-type]
        try:
            yield
        finally:
            stop.set()
            async with asyncio.timeout(20):
                await running

    async def commit(self, offset: int) -> None:
        """Have the group go on there in the first partition, wherever that is."""
        consumer = AIOKafkaConsumer(
            bootstrap_servers=self.settings.kafka_bootstrap,
            group_id=self.name,
            enable_auto_commit=False,
        )
        await consumer.start()
        partition = TopicPartition(self.topic, 0)
        consumer.assign([partition])
        await consumer.commit({partition: offset})
        await consumer.stop()

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
