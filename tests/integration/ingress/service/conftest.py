"""The service as a process, on a broker of its own: its topics are emptied for every test."""

import asyncio
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path

import pytest
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, ConsumerRecord, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient
from devstack.kafka import Kafka
from devstack.service import Service
from ingress.settings import IngressSettings
from maskwatch_runtime.kafka import topics
from maskwatch_runtime.settings import KafkaSettings

MakeService = Callable[..., Service]


class Wire:
    """The broker as the test sees it."""

    def __init__(self, broker: Kafka) -> None:
        self.broker = broker
        self.bootstrap = broker.bootstrap

    async def delete_topics(self, *names: str) -> None:
        """Delete the topics with these names; all of ours without names."""
        admin = AIOKafkaAdminClient(bootstrap_servers=self.bootstrap)
        await admin.start()
        await admin.delete_topics(list(names) or [topic.name for topic in topics.TOPICS])
        await admin.close()

    async def empty(self) -> None:
        """Make all topics anew."""
        settings = KafkaSettings(kafka_bootstrap=self.bootstrap)
        await self.delete_topics()
        made: set[str] = set()
        async with asyncio.timeout(30):
            while made != {topic.name for topic in topics.TOPICS}:
                made |= set(await topics.create(settings, replication=1))
                await asyncio.sleep(0.1)  # a deleted topic's name is free a moment later

    async def publish(
        self, values: Sequence[bytes], *, topic: str = topics.ALERT, **options: object
    ) -> None:
        """Publish, as an original dispatcher does when without options."""
        producer = AIOKafkaProducer(
            bootstrap_servers=self.bootstrap, max_request_size=2**30, compression_type="gzip"
        )
        await producer.start()
        for value in values:
            await producer.send(topic, value, **options)
        await producer.stop()

    async def messages(self, topic: str) -> list[ConsumerRecord]:
        """Return everything that the topic holds now."""
        consumer = AIOKafkaConsumer(
            bootstrap_servers=self.bootstrap,
            auto_offset_reset="earliest",
            max_partition_fetch_bytes=topics.MESSAGE_BYTES_MAX,
        )
        await consumer.start()
        try:
            count = next(one.partitions for one in topics.TOPICS if one.name == topic)
            partitions = [TopicPartition(topic, number) for number in range(count)]
            consumer.assign(partitions)
            ends = await consumer.end_offsets(partitions)
            found: list[ConsumerRecord] = []
            async with asyncio.timeout(20):
                while len(found) < sum(ends.values()):
                    for records in (await consumer.getmany(timeout_ms=100)).values():
                        found += records
        finally:
            await consumer.stop()
        return found

    async def committed(self, group: str) -> int:
        """Return how many messages the group has committed, of all partitions."""
        admin = AIOKafkaAdminClient(bootstrap_servers=self.bootstrap)
        await admin.start()
        offsets = await admin.list_consumer_group_offsets(group)
        await admin.close()
        return sum(offset.offset for offset in offsets.values())


@pytest.fixture(scope="package")
def broker() -> Iterator[Kafka]:
    with tempfile.TemporaryDirectory(prefix="maskwatch-") as folder:
        server = Kafka(Path(folder))
        server.start()
        yield server
        server.stop()


@pytest.fixture
async def wire(broker: Kafka) -> Wire:
    wire = Wire(broker)
    await wire.empty()
    return wire


@pytest.fixture
def variables(settings: IngressSettings, broker: Kafka) -> dict[str, str]:
    """The service's environment."""
    given = settings.model_copy(update={"kafka_bootstrap": broker.bootstrap})
    found = {
        f"MASKWATCH_{name.upper()}": str(value)
        for name, value in given.model_dump(exclude_defaults=True).items()
    }
    return found | {"MASKWATCH_POSTGRES_PASSWORD": given.postgres_password.get_secret_value()}


@pytest.fixture
def make_service(variables: Mapping[str, str], tmp_path: Path) -> Iterator[MakeService]:
    """Makes a service, not started; arguments are further settings, None takes one away."""
    made: list[Service] = []

    def make(**changes: str | None) -> Service:
        chosen = {**variables, **{f"MASKWATCH_{k.upper()}": v for k, v in changes.items()}}
        given = {name: value for name, value in chosen.items() if value is not None}
        made.append(Service("ingress", tmp_path, given, label=f"ingress-{len(made)}"))
        return made[-1]

    yield make
    for service in made:
        if service.is_running:
            service.kill()
