"""Messages into one partition, strictly in order: a batch leaves once the one before it is safe.

The client's own `send` would let a batch overtake one before it that the broker has refused.
"""

import asyncio
from collections.abc import Sequence
from typing import Any

from aiokafka import AIOKafkaProducer
from aiokafka.errors import KafkaError, MessageSizeTooLargeError, RecordListTooLargeError

from maskwatch_runtime.kafka.connection import unavailable
from maskwatch_runtime.kafka.message import Message
from maskwatch_runtime.kafka.outcome import Behind, Outcome, Refused
from maskwatch_runtime.kafka.topics import LETTER_BYTES_MAX

BATCH_BYTES = 256 * 1024


class Lane:
    """One partition of one topic.

    Args:
        producer: Started; throw it away once an outcome is Unavailable.
        topic: The topic.
        partition: A partition that it has.
        timeout_s: How long the broker may take for a batch.
    """

    def __init__(
        self, producer: AIOKafkaProducer, topic: str, partition: int, *, timeout_s: float
    ) -> None:
        self._producer = producer
        self._topic = topic
        self._partition = partition
        self._timeout_s = timeout_s
        self._batch_bytes = BATCH_BYTES

    async def publish(self, messages: Sequence[Message]) -> list[Outcome]:
        """Return one outcome per message, in order; behind a failure nothing is sent any more."""
        outcomes: list[Outcome] = []
        while len(outcomes) < len(messages):
            rest = messages[len(outcomes) :]
            if _size_bytes(rest[0]) > LETTER_BYTES_MAX:
                reason = f"the message has {_size_bytes(rest[0])} bytes"
                return outcomes + _held_up(rest, Refused(reason))
            batch, count = self._filled(rest)
            try:
                await self._send(batch)
            except (MessageSizeTooLargeError, RecordListTooLargeError) as error:
                if count == 1:
                    reason = str(error) or "the broker calls it too large"
                    return outcomes + _held_up(rest, Refused(reason))
                # What the topic takes is said of batches too: the small ones in it are no fault.
                self._batch_bytes = batch.size() // 2
            except (KafkaError, OSError, TimeoutError) as error:
                return outcomes + [unavailable(error)] * len(rest)
            else:
                outcomes += [None] * count
        return outcomes

    def _filled(self, messages: Sequence[Message]) -> tuple[Any, int]:
        """Return a batch of the first messages, and how many: at least one."""
        batch = self._producer.create_batch()
        count = 0
        for message in messages:
            if count and batch.size() + len(message.value) > self._batch_bytes:
                break
            appended = batch.append(
                timestamp=None, key=message.key, value=message.value, headers=list(message.headers)
            )
            if appended is None:
                break
            count += 1
        batch.close()
        return batch, count

    async def _send(self, batch: Any) -> None:
        async with asyncio.timeout(self._timeout_s):
            sent: asyncio.Future[object] = await self._producer.send_batch(
                batch, self._topic, partition=self._partition
            )
        sent.add_done_callback(_noted)
        done, _ = await asyncio.wait({sent}, timeout=self._timeout_s)
        if not done:
            raise TimeoutError
        sent.result()


def _noted(sent: "asyncio.Future[object]") -> None:
    """Take notice of a failure that comes after we have given up; asyncio would complain."""
    if not sent.cancelled():
        sent.exception()


def _held_up(messages: Sequence[Message], refused: Refused) -> list[Outcome]:
    """Return the outcomes behind a refusal: what is as large is refused as well, the rest waits."""
    limit_bytes = _size_bytes(messages[0])
    return [refused if _size_bytes(message) >= limit_bytes else Behind() for message in messages]


def _size_bytes(message: Message) -> int:
    headers = sum(len(name) + len(value) for name, value in message.headers)
    return len(message.value) + len(message.key or b"") + headers
