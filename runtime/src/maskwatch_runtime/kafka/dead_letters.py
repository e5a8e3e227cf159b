"""Messages that nobody can read: kept whole on a topic of their own, the reason beside them."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

import structlog
from prometheus_client import Counter

from maskwatch_runtime.errors import TooManyInvalid, Unavailable
from maskwatch_runtime.kafka.message import Message, Record
from maskwatch_runtime.kafka.publisher import Publisher, Refused

_log = structlog.get_logger()
_BEGINNING_BYTES = 1024 * 1024


@dataclass(frozen=True, slots=True)
class Rejected:
    """A record that is invalid for good: the field that is wrong, and why."""

    record: Record
    field: str
    reason: str


class DeadLetters:
    """Publishes rejected records to the dead letter topic, and stops when too much is rejected.

    Args:
        publisher: How they get there.
        topic: Where.
        counter: Counts them.
        in_a_row_max: So many rejected records without a good one between them mean that something
            upstream is broken, and that draining the topic into dead letters would not help.
    """

    def __init__(
        self, publisher: Publisher, *, topic: str, counter: Counter, in_a_row_max: int = 1000
    ) -> None:
        self._publisher = publisher
        self._topic = topic
        self._counter = counter
        self._in_a_row_max = in_a_row_max
        self._in_a_row = 0
        self._counting = asyncio.Lock()

    async def send(self, rejected: Sequence[Rejected], *, of: int) -> None:
        """Publish the rejected ones of a batch of `of` records; returns once they are safe.

        Raises:
            Unavailable: The broker did not take all of them; safe to repeat.
            TooManyInvalid: The limit is reached.
        """
        # One batch after the other: side by side, each would start from the same count.
        async with self._counting:
            in_a_row = self._in_a_row + len(rejected) if len(rejected) == of else 0
            if in_a_row > self._in_a_row_max:
                raise TooManyInvalid(
                    f"{in_a_row} messages in a row are invalid, the last because"
                    f" {rejected[-1].field} {rejected[-1].reason}; see MASKWATCH_DEAD_LETTERS_MAX"
                )
            if rejected:
                await self._publish(rejected)
            self._in_a_row = in_a_row

    async def _publish(self, rejected: Sequence[Rejected]) -> None:
        messages = [self._message(one) for one in rejected]
        outcomes = await self._publisher.publish(messages)
        for one, message, outcome in zip(rejected, messages, outcomes, strict=True):
            if isinstance(outcome, Unavailable):
                raise outcome
            if isinstance(outcome, Refused):
                await self._publish_beginning(message)
            self._counter.inc()
            _log.warning(
                "message rejected",
                action="dead-letter",
                field=one.field,
                reason=one.reason,
                partition=one.record.partition,
                offset=one.record.offset,
            )

    async def _publish_beginning(self, message: Message) -> None:
        """Publish what is too large, such as a message that was compressed, as far as it fits."""
        size = ("dlq.size_bytes", str(len(message.value)).encode())
        shorter = message._replace(
            value=message.value[:_BEGINNING_BYTES], headers=(*message.headers, size)
        )
        (outcome,) = await self._publisher.publish([shorter])
        if isinstance(outcome, Unavailable):
            raise outcome
        if isinstance(outcome, Refused):
            raise Unavailable("kafka", f"the dead letter topic refuses a message: {outcome}")

    def _message(self, one: Rejected) -> Message:
        record = one.record
        told = {
            "dlq.topic": record.topic,
            "dlq.partition": str(record.partition),
            "dlq.offset": str(record.offset),
            "dlq.timestamp_ms": str(record.timestamp_ms),
            "dlq.field": one.field,
            "dlq.reason": one.reason,
            "dlq.rejected_at": datetime.now(UTC).isoformat(),
        }
        headers = (*record.headers, *((name, text.encode()) for name, text in told.items()))
        return Message(self._topic, record.key, record.value, headers)
