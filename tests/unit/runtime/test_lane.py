import asyncio
from collections.abc import Sequence
from typing import Any, cast

import pytest
from aiokafka import AIOKafkaProducer
from aiokafka.errors import (
    KafkaError,
    MessageSizeTooLargeError,
    NotLeaderForPartitionError,
    RecordListTooLargeError,
)
from aiokafka.producer.message_accumulator import BatchBuilder
from hypothesis import given
from hypothesis import strategies as st
from maskwatch_runtime.errors import Unavailable
from maskwatch_runtime.kafka.lane import BATCH_BYTES, Lane
from maskwatch_runtime.kafka.message import Message
from maskwatch_runtime.kafka.outcome import Behind, Outcome, Refused
from maskwatch_runtime.kafka.topics import LETTER_BYTES_MAX

_NO_COMPRESSION = 0


class _Batch(BatchBuilder):  # type: ignore[misc]  # aiokafka has no types
    """Remembers what was appended."""

    def __init__(self) -> None:
        super().__init__(BATCH_BYTES, _NO_COMPRESSION)
        self.values: list[bytes] = []

    def append(self, *, value: bytes, **rest: Any) -> Any:
        appended = super().append(value=value, **rest)
        if appended is not None:
            self.values.append(value)
        return appended


class _Producer:
    """A broker that takes batches of at most `takes_bytes`; `error` refuses all of them."""

    def __init__(self, *, takes_bytes: int = 10**9, error: KafkaError | None = None) -> None:
        self.batches: list[list[bytes]] = []
        self.too_large: type[KafkaError] = MessageSizeTooLargeError
        self.is_silent = False
        self._takes_bytes = takes_bytes
        self.error = error

    def create_batch(self) -> _Batch:
        return _Batch()

    async def send_batch(self, batch: _Batch, _: str, *, partition: int) -> asyncio.Future[None]:
        assert partition == 3
        sent: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        if self.is_silent:
            return sent
        if batch.size() > self._takes_bytes:
            sent.set_exception(self.too_large())
        elif self.error is not None:
            sent.set_exception(self.error)
        else:
            self.batches.append(batch.values)
            sent.set_result(None)
        return sent

    @property
    def values(self) -> list[bytes]:
        return [value for batch in self.batches for value in batch]


def _messages(sizes: Sequence[int]) -> list[Message]:
    return [
        Message("topic", b"device", number.to_bytes(4, "big") + bytes(size))
        for number, size in enumerate(sizes)
    ]


async def _publish(producer: _Producer, messages: Sequence[Message]) -> list[Outcome]:
    lane = Lane(cast("AIOKafkaProducer", producer), "topic", 3, timeout_s=0.05)
    return await lane.publish(messages)


async def test_nothing_is_no_batch() -> None:
    producer = _Producer()

    assert await _publish(producer, []) == []
    assert producer.batches == []


async def test_messages_go_out_in_order_in_batches_of_bounded_size() -> None:
    producer, messages = _Producer(), _messages([BATCH_BYTES // 4] * 10)

    assert await _publish(producer, messages) == [None] * 10
    assert producer.values == [message.value for message in messages]
    assert [len(batch) for batch in producer.batches] == [3, 3, 3, 1]


async def test_large_message_goes_alone() -> None:
    producer, messages = _Producer(), _messages([10, 2 * BATCH_BYTES, 10])

    assert await _publish(producer, messages) == [None] * 3
    assert [len(batch) for batch in producer.batches] == [1, 1, 1]


async def test_small_messages_of_a_batch_that_is_too_large_go_out_in_smaller_ones() -> None:
    producer, messages = _Producer(takes_bytes=2_000), _messages([500] * 20)

    assert await _publish(producer, messages) == [None] * 20
    assert producer.values == [message.value for message in messages]


@pytest.mark.parametrize("error", [MessageSizeTooLargeError, RecordListTooLargeError])
async def test_refused_message_is_not_overtaken(error: type[KafkaError]) -> None:
    producer = _Producer(takes_bytes=2_000)
    producer.too_large = error

    outcomes = await _publish(producer, _messages([500, 3_000, 500, 4_000, 2_900]))

    assert [type(one) for one in outcomes] == [type(None), Refused, Behind, Refused, Behind]
    assert len(producer.values) == 1


async def test_message_that_no_topic_takes_is_refused_without_being_sent() -> None:
    producer = _Producer()

    outcomes = await _publish(producer, _messages([1, LETTER_BYTES_MAX, 1]))

    assert [type(one) for one in outcomes] == [type(None), Refused, Behind]
    assert len(producer.values) == 1


async def test_nothing_is_sent_behind_a_failure() -> None:
    producer = _Producer(error=NotLeaderForPartitionError())

    outcomes = await _publish(producer, _messages([BATCH_BYTES, BATCH_BYTES]))

    assert [type(one) for one in outcomes] == [Unavailable, Unavailable]


async def test_silence_is_given_up_after_the_timeout() -> None:
    producer = _Producer()
    producer.is_silent = True

    async with asyncio.timeout(5):
        (outcome,) = await _publish(producer, _messages([1]))

    assert isinstance(outcome, Unavailable)


@given(sizes=st.lists(st.integers(0, 3_000), max_size=30), takes_bytes=st.integers(150, 4_000))
async def test_what_fits_the_topic_arrives_in_order_once_what_does_not_is_out_of_the_way(
    sizes: list[int], takes_bytes: int
) -> None:
    producer, waiting = _Producer(takes_bytes=takes_bytes), _messages(sizes)
    refused: list[Message] = []

    while waiting:
        outcomes = await _publish(producer, waiting)
        refused += [m for m, one in zip(waiting, outcomes, strict=True) if isinstance(one, Refused)]
        waiting = [m for m, one in zip(waiting, outcomes, strict=True) if isinstance(one, Behind)]

    assert producer.values == [m.value for m in _messages(sizes) if m not in refused]
    too_large = [message for message in refused if len(message.value) > takes_bytes - 150]
    assert len(too_large) == len(refused)
