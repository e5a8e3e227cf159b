"""Publishing that is acknowledged, pipelined over partitions and bounded in time.

Not the idempotent producer: with a dead broker the one of aiokafka 0.14 hangs in send and in stop
(aiokafka issue 1101). Consumers recognise a repeated message by its key, so a retry is harmless.
"""

import asyncio
from collections.abc import Sequence
from contextlib import suppress
from typing import Protocol

from aiokafka import AIOKafkaProducer
from aiokafka.errors import KafkaError
from aiokafka.partitioner import DefaultPartitioner

from maskwatch_runtime.errors import Unavailable
from maskwatch_runtime.kafka.connection import client_options, not_let_in, unavailable
from maskwatch_runtime.kafka.lane import BATCH_BYTES, Lane
from maskwatch_runtime.kafka.message import Message
from maskwatch_runtime.kafka.outcome import Outcome, TopicMissing
from maskwatch_runtime.kafka.topics import LETTER_BYTES_MAX
from maskwatch_runtime.settings import KafkaSettings

_partition = DefaultPartitioner()
# A broker that answers knows its topics at once; one that was made just now, within this.
_TOPIC_S = 2.0
# So long is a missing topic not asked for again.
_MISSING_S = 5.0
_STOP_S = 2.0
_Place = tuple[str, int]  # topic and partition


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
            await self._abandon()
            raise
        if any(_has_failed(outcome) for outcome in outcomes):
            await self._abandon()
        return outcomes

    async def connect(self) -> None:
        try:
            async with asyncio.timeout(self._settings.kafka_timeout_s):
                await self._started()
        except (TimeoutError, KafkaError, OSError) as error:
            await self._abandon()
            raise await not_let_in(error, self._settings) from error

    async def close(self) -> None:
        producer, self._producer = self._producer, None
        if producer is None:
            return
        try:
            async with asyncio.timeout(min(self._settings.kafka_timeout_s, _STOP_S)):
                await producer.stop()
        except (TimeoutError, KafkaError):
            await _drop(producer)

    async def _abandon(self) -> None:
        """Throw the producer away: what it holds must not go out behind what is tried again."""
        producer, self._producer = self._producer, None
        if producer is not None:
            await _drop(producer)

    async def _publish(self, messages: Sequence[Message]) -> list[Outcome]:
        try:
            await self.connect()
            producer = await self._started()
            async with asyncio.timeout(self._settings.kafka_timeout_s):
                missing = await self._missing(producer, {message.topic for message in messages})
                places = await _places(
                    producer, [message for message in messages if message.topic not in missing]
                )
        except Unavailable as error:
            return [error] * len(messages)
        except (TimeoutError, KafkaError) as error:
            return [unavailable(error)] * len(messages)
        outcomes: list[Outcome] = [None] * len(messages)
        queues: dict[_Place, list[int]] = {}
        for number, message in enumerate(messages):
            if message.topic in missing:
                outcomes[number] = TopicMissing(message.topic)
            else:
                queues.setdefault(places[message.topic, message.key], []).append(number)

        async def send(place: _Place, numbers: Sequence[int]) -> None:
            lane = Lane(producer, *place, timeout_s=self._settings.kafka_timeout_s)
            answers = await lane.publish([messages[number] for number in numbers])
            for number, answer in zip(numbers, answers, strict=True):
                outcomes[number] = answer

        await asyncio.gather(*(send(place, numbers) for place, numbers in queues.items()))
        return outcomes

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
                max_batch_size=BATCH_BYTES,
                **client_options(self._settings),
            )
            self._producer = producer
            await producer.start()
        return self._producer


async def _drop(producer: AIOKafkaProducer) -> None:
    """End a producer without a flush, which waits for a broker that may never answer.

    In a task of its own, whose end is of no interest: the producer is thrown away.
    """
    dropping = asyncio.create_task(_dropped(producer))
    await asyncio.wait({dropping}, timeout=_STOP_S)
    dropping.cancel()
    await asyncio.gather(dropping, return_exceptions=True)


async def _dropped(producer: AIOKafkaProducer) -> None:
    """Take it apart; `stop` alone would go on sending, and leave connections behind, meanwhile."""
    await producer.client.close()
    sending = producer._sender.sender_task  # noqa: SLF001 - there is no public way
    if sending is not None:
        sending.cancel()
        await asyncio.wait({sending})
    accumulator = producer._message_accumulator  # noqa: SLF001
    queues = [*accumulator._batches.values(), accumulator._pending_batches]  # noqa: SLF001
    for batch in [batch for queue in queues for batch in queue]:
        batch.future.cancel()
    await producer.stop()


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


async def _places(
    producer: AIOKafkaProducer, messages: Sequence[Message]
) -> dict[tuple[str, bytes | None], _Place]:
    """Return topic and partition by topic and key, as aiokafka's own partitioner chooses them.

    Once per key and batch: its hash is pure Python. Messages without a key stay together.
    """
    places: dict[tuple[str, bytes | None], _Place] = {}
    for topic, key in {(message.topic, message.key) for message in messages}:
        numbers = sorted(await producer.partitions_for(topic))
        places[topic, key] = topic, _partition(key, numbers, numbers)
    return places
