"""Messages that nobody can read: kept whole on a topic of their own, the reason beside them."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

import structlog
from prometheus_client import Counter, Gauge

from maskwatch_runtime.errors import Unavailable
from maskwatch_runtime.kafka.message import Message, Record
from maskwatch_runtime.kafka.outcome import Behind, Refused
from maskwatch_runtime.kafka.publisher import Publisher

_log = structlog.get_logger()
_BEGINNING_BYTES = 1024 * 1024


@dataclass(frozen=True, slots=True)
class Rejected:
    """A record that is invalid for good: the field that is wrong, and why."""

    record: Record
    field: str
    reason: str


class TooManyInvalid(Unavailable):
    """So much is refused that something upstream must be broken; nothing of it was published.

    Raised again for the same records until something valid has come between: whoever consumes
    waits, commits nothing and keeps its place in the group.
    """

    def __init__(self, topic: str, reason: str) -> None:
        super().__init__(f"producer of {topic}", reason)


class DeadLetters:
    """Publishes rejected records to the dead letter topic, and none when too much is rejected.

    Args:
        publisher: How they get there.
        topic: Where.
        counter: Counts them.
        in_a_row_max: So many rejected records without a good one between them mean that something
            upstream is broken, and that draining the topic into dead letters would not help.
        held: Shows 1 for as long as that is so.
    """

    def __init__(
        self,
        publisher: Publisher,
        *,
        topic: str,
        counter: Counter,
        in_a_row_max: int = 1000,
        held: Gauge | None = None,
    ) -> None:
        self._publisher = publisher
        self._topic = topic
        self._counter = counter
        self._in_a_row_max = in_a_row_max
        self._held = held
        self._in_a_row = 0
        self._is_held = False
        self._counting = asyncio.Lock()

    async def send(self, rejected: Sequence[Rejected], *, of: int) -> None:
        """Publish the rejected ones of a batch of `of` records; returns once they are safe.

        Raises:
            Unavailable: The broker did not take all of them; safe to repeat.
            TooManyInvalid: The limit is reached; to be repeated as well.
        """
        # One batch after the other: side by side, each would start from the same count.
        async with self._counting:
            in_a_row = self._in_a_row + len(rejected) if len(rejected) == of else 0
            # Once reached, the limit holds for shorter batches too.
            self._show(is_held=in_a_row > (0 if self._is_held else self._in_a_row_max))
            if self._is_held:
                raise self._too_many(in_a_row, rejected[-1])
            if rejected:
                await self._publish(rejected)
            self._in_a_row = in_a_row

    def _too_many(self, in_a_row: int, last: Rejected) -> TooManyInvalid:
        return TooManyInvalid(
            last.record.topic,
            f"{in_a_row} messages in a row are invalid, the last because {last.field}"
            f" {last.reason}; look into {self._topic}, mend the producer or this reader, or raise"
            " MASKWATCH_DEAD_LETTERS_MAX",
        )

    def _show(self, *, is_held: bool) -> None:
        self._is_held = is_held
        if self._held is not None:
            self._held.set(is_held)

    async def _publish(self, rejected: Sequence[Rejected]) -> None:
        messages = [self._message(one) for one in rejected]
        outcomes = await self._publisher.publish(messages)
        behind: list[Rejected] = []
        for one, message, outcome in zip(rejected, messages, outcomes, strict=True):
            if isinstance(outcome, Unavailable):
                raise outcome
            if isinstance(outcome, Behind):
                behind.append(one)
                continue
            if isinstance(outcome, Refused):
                await self._publish_beginning(message)
            self._counted(one)
        if behind:
            await self._publish(behind)

    def _counted(self, one: Rejected) -> None:
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
