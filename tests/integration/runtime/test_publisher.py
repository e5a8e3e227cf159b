"""One suite for the fake and the real publisher, so that the fake cannot drift."""

import asyncio
from collections.abc import AsyncIterator
from typing import cast
from uuid import uuid4

import pytest
from aiokafka import AIOKafkaConsumer
from devstack.kafka import Topic, create_topics
from maskwatch_runtime.errors import Unavailable
from maskwatch_runtime.kafka.message import Message
from maskwatch_runtime.kafka.outcome import Behind, Refused, TopicMissing
from maskwatch_runtime.kafka.publisher import KafkaPublisher, Publisher
from maskwatch_runtime.kafka.topics import MESSAGE_BYTES_MAX
from maskwatch_runtime.settings import KafkaSettings
from maskwatch_runtime.testing import FakePublisher

from devstack import ports


@pytest.fixture
async def topic(request: pytest.FixtureRequest, kind: str) -> str:
    name = f"publisher-{uuid4().hex}"
    if kind == "kafka":
        bootstrap = cast("str", request.getfixturevalue("kafka"))
        limit = {"max.message.bytes": str(MESSAGE_BYTES_MAX)}
        await create_topics(bootstrap, [Topic(name=name, partitions=3, configs=limit)])
    return name


@pytest.fixture(params=["fake", "kafka"])
def kind(request: pytest.FixtureRequest) -> str:
    return cast("str", request.param)


@pytest.fixture
async def publisher(request: pytest.FixtureRequest, kind: str) -> AsyncIterator[Publisher]:
    made: Publisher = FakePublisher()
    if kind == "kafka":
        bootstrap = cast("str", request.getfixturevalue("kafka"))
        made = KafkaPublisher(KafkaSettings(kafka_bootstrap=bootstrap))
    yield made
    await made.close()


async def _published(publisher: Publisher, topic: str, bootstrap: str, count: int) -> list[Message]:
    if isinstance(publisher, FakePublisher):
        return publisher.messages
    consumer = AIOKafkaConsumer(
        topic,
        bootstrap_servers=bootstrap,
        auto_offset_reset="earliest",
        max_partition_fetch_bytes=2 * MESSAGE_BYTES_MAX,
    )
    await consumer.start()
    found: list[Message] = []
    try:
        async with asyncio.timeout(20):
            while len(found) < count:
                record = await consumer.getone()
                found.append(Message(topic, record.key, record.value, tuple(record.headers)))
    finally:
        await consumer.stop()
    return found


async def test_no_messages_are_no_outcomes(publisher: Publisher) -> None:
    assert await publisher.publish([]) == []


async def test_messages_of_one_key_arrive_whole_and_in_order(
    publisher: Publisher, topic: str, kafka: str
) -> None:
    messages = [
        Message(topic, b"device", str(number).encode(), (("number", str(number).encode()),))
        for number in range(500)
    ]

    outcomes = await publisher.publish(messages)

    assert outcomes == [None] * 500
    assert await _published(publisher, topic, kafka, 500) == messages


async def test_message_that_is_too_large_is_refused_and_not_overtaken(
    publisher: Publisher, topic: str, kafka: str
) -> None:
    first, last = Message(topic, b"device", b"first"), Message(topic, b"device", b"last")
    large = Message(topic, b"device", bytes(MESSAGE_BYTES_MAX + 1))
    smaller = large._replace(value=b"without its picture")

    outcomes = await publisher.publish([first, large, last])
    again = await publisher.publish([smaller, last])

    assert [type(outcome) for outcome in outcomes] == [type(None), Refused, Behind]
    assert again == [None, None]
    assert await _published(publisher, topic, kafka, 3) == [first, smaller, last]


async def test_small_messages_are_not_refused_for_a_topic_that_takes_no_large_batch(
    kafka: str,
) -> None:
    name = f"narrow-{uuid4().hex}"
    limit = {"max.message.bytes": "2000"}
    await create_topics(kafka, [Topic(name=name, partitions=1, configs=limit)])
    publisher = KafkaPublisher(KafkaSettings(kafka_bootstrap=kafka))
    small = [Message(name, b"device", bytes(500)) for _ in range(20)]
    large = [Message(name, b"device", bytes(size)) for size in (5_000, 6_000)]

    outcomes = await publisher.publish([*small, *large, small[0]])
    await publisher.close()

    assert outcomes[:20] == [None] * 20
    assert [type(outcome) for outcome in outcomes[20:]] == [Refused, Refused, Behind]
    assert await _published(publisher, name, kafka, 20) == small


async def test_topic_that_is_missing_holds_up_nothing_else(
    publisher: Publisher, topic: str, kafka: str
) -> None:
    missing = f"missing-{uuid4().hex}"
    if isinstance(publisher, FakePublisher):
        publisher.missing = {missing}
    known = [Message(topic, b"device", str(number).encode()) for number in range(2)]
    lost = Message(missing, b"device", b"lost")

    async with asyncio.timeout(15):
        first = await publisher.publish([lost, *known])
        # Within the time for which it is not asked for again.
        second = await publisher.publish([lost])

    assert [type(outcome) for outcome in first] == [TopicMissing, type(None), type(None)]
    assert [str(outcome) for outcome in second] == [str(first[0])]
    assert missing in str(first[0])
    assert await _published(publisher, topic, kafka, 2) == known


async def test_topic_that_is_made_later_is_found(kafka: str) -> None:
    name = f"late-{uuid4().hex}"
    publisher = KafkaPublisher(KafkaSettings(kafka_bootstrap=kafka))
    message = Message(name, b"device", b"value")
    try:
        (before,) = await publisher.publish([message])
        await create_topics(kafka, [Topic(name=name, partitions=1)])
        async with asyncio.timeout(30):
            while (await publisher.publish([message])) != [None]:
                await asyncio.sleep(0.2)  # between two looks
    finally:
        await publisher.close()

    assert isinstance(before, TopicMissing)


async def test_absent_broker_is_unavailable_within_the_timeout() -> None:
    (port,) = ports.free(1)
    publisher = KafkaPublisher(
        KafkaSettings(kafka_bootstrap=f"127.0.0.1:{port}", kafka_timeout_s=1)
    )

    async with asyncio.timeout(10):
        with pytest.raises(Unavailable):
            await publisher.connect()
        (outcome,) = await publisher.publish([Message("topic", None, b"value")])
        await publisher.close()

    assert isinstance(outcome, Unavailable)


async def test_broker_that_accepts_but_never_answers_is_unavailable_within_the_timeout() -> None:
    async def swallow(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read()
        writer.close()

    server = await asyncio.start_server(swallow, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    publisher = KafkaPublisher(
        KafkaSettings(kafka_bootstrap=f"127.0.0.1:{port}", kafka_timeout_s=1)
    )

    async with asyncio.timeout(10):
        (outcome,) = await publisher.publish([Message("topic", None, b"value")])
        await publisher.close()
        server.close()
        await server.wait_closed()

    assert isinstance(outcome, Unavailable)
