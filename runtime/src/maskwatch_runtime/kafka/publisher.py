"""Publishing that is acknowledged, pipelined and bounded in time.

Not the idempotent producer: with a dead broker the one of aiokafka 0.14 hangs in send and in stop
(aiokafka issue 1101). Consumers recognise a repeated message by its key, so a retry is harmless.
"""

import asyncio
from collections.abc import Sequence
from contextlib import suppress
from typing import Protocol

from aiokafka import AIOKafkaProducer
from aiokafka.errors import KafkaError, MessageSizeTooLargeError
from aiokafka.partitioner import DefaultPartitioner

from maskwatch_runtime.errors import Unavailable
from maskwatch_runtime.kafka.connection import client_options, unavailable
from maskwatch_runtime.kafka.message import Message
from maskwatch_runtime.kafka.topics import LETTER_BYTES_MAX
from maskwatch_runtime.settings import KafkaSettings

_partition = DefaultPartitioner()
# Slower than this a broker counts as away.
_MESSAGES_A_SECOND_MIN = 100
# A broker that answers knows its topics at once; one that was made just now, within this.
_TOPIC_S = 2.0
# So long is a missing topic not asked for again.
_MISSING_S = 5.0


class Refused(Exception):  # noqa: N818 - errors are named for what is wrong
    """The broker will never take this message; the reason is the text."""


class TopicMissing(Unavailable):
    """The broker answers and does not know the topic; messages of others are not held up."""

    def __init__(self, topic: str) -> None:
        super().__init__(f"topic {topic}", "the broker does not know it, or may not show it to us")


# What became of a message: None once the broker has acknowledged it.
Outcome = None | Refused | Unavailable


class Publisher(Protocol):
    """The fake is `testing.FakePublisher`; one suite tests both."""

    async def publish(self, messages: Sequence[Message]) -> list[Outcome]:
        """Return one outcome per message, in order; messages of one key keep their order."""
        ...

    async def connect(self) -> None:
        """Make sure that there is a connection; costs nothing when there is one.

        Raises:
            Unavailable: No broker answers.
        """
        ...

    async def close(self) -> None:
        """Give the connection back, within a bounded time."""
        ...


class KafkaPublisher:
    """Publishes through one producer, which is thrown away and built anew after a failure."""

    def __init__(self, settings: KafkaSettings) -> None:
        self._settings = settings
        self._producer: AIOKafkaProducer | None = None
        # Until when, on the event loop's clock, a topic counts as missing.
        self._missing_until_s: dict[str, float] = {}

    async def publish(self, messages: Sequence[Message]) -> list[Outcome]:
        try:
            outcomes = await self._publish(messages)
        except BaseException:
            await self.close()
            raise
        if any(_has_failed(outcome) for outcome in outcomes):
            # What is still in the producer's buffer must not go out behind what is tried again.
            await self.close()
        return outcomes

    async def connect(self) -> None:
        try:
            async with asyncio.timeout(self._settings.kafka_timeout_s):
                await self._started()
        except (TimeoutError, KafkaError, OSError) as error:
            await self.close()
            raise unavailable(error) from error

    async def close(self) -> None:
        producer, self._producer = self._producer, None
        if producer is None:
            return
        # With a broker that does not answer, stop() would flush for ever.
        with suppress(TimeoutError, KafkaError):
            await asyncio.wait_for(producer.stop(), min(self._settings.kafka_timeout_s, 2.0))

    async def _publish(self, messages: Sequence[Message]) -> list[Outcome]:
        timeout_s = self._settings.kafka_timeout_s
        try:
            await self.connect()
        except Unavailable as error:
            return [error] * len(messages)
        producer = await self._started()
        sent: list[asyncio.Future[object] | Outcome] = []
        with suppress(TimeoutError):
            # One deadline for all: a timer per message costs as much as sending it.
            async with asyncio.timeout(timeout_s + len(messages) / _MESSAGES_A_SECOND_MIN):
                missing = await self._missing(producer, {message.topic for message in messages})
                partitions = await _partitions(
                    producer, [message for message in messages if message.topic not in missing]
                )
                for message in messages:
                    if message.topic in missing:
                        sent.append(TopicMissing(message.topic))
                        continue
                    partition = partitions[message.topic, message.key]
                    sent.append(await _send(producer, message, partition))
                await _all_done(sent)
        late: list[Outcome] = [unavailable(TimeoutError())] * (len(messages) - len(sent))
        return [_outcome(future) for future in sent] + late

    async def _missing(self, producer: AIOKafkaProducer, topics: set[str]) -> set[str]:
        """Return which topics the broker does not know; each is asked for once in a while."""
        now_s = asyncio.get_running_loop().time()
        for topic in topics:
            if now_s < self._missing_until_s.get(topic, 0.0):
                continue
            if await _is_known(producer, topic):
                self._missing_until_s.pop(topic, None)
            else:
                self._missing_until_s[topic] = asyncio.get_running_loop().time() + _MISSING_S
        return topics & self._missing_until_s.keys()

    async def _started(self) -> AIOKafkaProducer:
        if self._producer is None:
            producer = AIOKafkaProducer(
                acks="all",
                enable_idempotence=False,
                linger_ms=0,
                max_request_size=LETTER_BYTES_MAX,
                max_batch_size=256 * 1024,
                **client_options(self._settings),
            )
            self._producer = producer
            await producer.start()
        return self._producer


def _has_failed(outcome: Outcome) -> bool:
    return isinstance(outcome, Unavailable) and not isinstance(outcome, TopicMissing)


async def _is_known(producer: AIOKafkaProducer, topic: str) -> bool:
    """Return whether the broker knows a topic; a broker that does not answer is left to `send`."""
    with suppress(TimeoutError, KafkaError):
        async with asyncio.timeout(_TOPIC_S):
            await producer.partitions_for(topic)
            return True
    with suppress(TimeoutError):
        async with asyncio.timeout(_TOPIC_S):
            is_answering: bool = await producer.client.force_metadata_update()
            return not is_answering or topic in producer.client.cluster.topics()
    return True


async def _partitions(
    producer: AIOKafkaProducer, messages: Sequence[Message]
) -> dict[tuple[str, bytes | None], int | None]:
    """Return the partition of each topic and key, as aiokafka's own partitioner would choose it.

    Once per key and batch: its hash is pure Python and as dear as the rest of `send`. None leaves a
    message without key to aiokafka.
    """
    chosen: dict[tuple[str, bytes | None], int | None] = {}
    for topic, key in {(message.topic, message.key) for message in messages}:
        numbers = None if key is None else await _partitions_of(producer, topic)
        chosen[topic, key] = _partition(key, sorted(numbers), []) if numbers else None
    return chosen


async def _partitions_of(producer: AIOKafkaProducer, topic: str) -> set[int] | None:
    try:
        numbers: set[int] | None = await producer.partitions_for(topic)
    except KafkaError:
        return None  # `send` meets the same error and reports it
    return numbers


async def _send(
    producer: AIOKafkaProducer, message: Message, partition: int | None
) -> "asyncio.Future[object] | Outcome":
    try:
        future: asyncio.Future[object] = await producer.send(
            message.topic,
            message.value,
            key=message.key,
            partition=partition,
            headers=list(message.headers),
        )
    except MessageSizeTooLargeError as error:
        return Refused(str(error))
    except KafkaError as error:
        return unavailable(error)
    return future


async def _all_done(sent: "Sequence[asyncio.Future[object] | Outcome]") -> None:
    waiting = [future for future in sent if isinstance(future, asyncio.Future)]
    if waiting:
        await asyncio.wait(waiting)


def _outcome(sent: "asyncio.Future[object] | Outcome") -> Outcome:
    if not isinstance(sent, asyncio.Future):
        return sent
    if not sent.done():
        return unavailable(TimeoutError())
    error = sent.exception()
    if isinstance(error, MessageSizeTooLargeError):
        return Refused(str(error) or "the broker calls it too large")
    return None if error is None else unavailable(error)
