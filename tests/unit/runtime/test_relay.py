import asyncio

import pytest
from hypothesis import given
from hypothesis import strategies as st
from maskwatch_runtime.errors import Unavailable
from maskwatch_runtime.health import Health
from maskwatch_runtime.kafka.message import Message
from maskwatch_runtime.kafka.topics import MESSAGE_BYTES_MAX
from maskwatch_runtime.relay import Entry, Relay
from maskwatch_runtime.retry import Backoff
from maskwatch_runtime.testing import FakeClock, FakePublisher, FakeSource


def _messages(count: int) -> list[Message]:
    return [Message("topic", b"device", str(number).encode()) for number in range(1, count + 1)]


def _relay(source: FakeSource, publisher: FakePublisher) -> Relay:
    return Relay(source, publisher, Health(FakeClock()), backoff=Backoff(initial_s=0, cap_s=0))


async def test_empty_outbox_publishes_nothing() -> None:
    publisher = FakePublisher()

    assert await _relay(FakeSource(), publisher).drain(asyncio.Event()) == 0
    assert publisher.messages == []


@pytest.mark.parametrize("count", [1, 99, 100, 101, 250])
async def test_everything_is_published_in_order_and_marked(count: int) -> None:
    source, publisher = FakeSource(_messages(count)), FakePublisher()

    assert await _relay(source, publisher).drain(asyncio.Event()) == count
    assert publisher.messages == _messages(count)
    assert source.sent == list(range(1, count + 1))
    assert source.unsent == {}


async def test_nothing_is_marked_while_the_broker_is_down() -> None:
    source, publisher = FakeSource(_messages(3)), FakePublisher()
    publisher.is_down = True

    with pytest.raises(Unavailable):
        await _relay(source, publisher).drain(asyncio.Event())

    assert source.sent == []
    assert sorted(source.unsent) == [1, 2, 3]


async def test_only_what_was_acknowledged_before_the_failure_is_marked() -> None:
    source, publisher = FakeSource(_messages(5)), FakePublisher(accepts=2)

    with pytest.raises(Unavailable):
        await _relay(source, publisher).drain(asyncio.Event())

    assert source.sent == [1, 2]
    assert sorted(source.unsent) == [3, 4, 5]


async def test_missing_topic_holds_up_its_own_messages_alone() -> None:
    known = _messages(250)
    lost = [Message("unknown", b"device", str(number).encode()) for number in range(120)]
    source, publisher = FakeSource([*lost, *known]), FakePublisher()
    publisher.missing = {"unknown"}
    relay = _relay(source, publisher)

    with pytest.raises(Unavailable, match="topic unknown"):
        await relay.drain(asyncio.Event())
    assert publisher.messages == known
    assert len(source.unsent) == 120

    publisher.missing = set()
    assert await relay.drain(asyncio.Event()) == 120
    assert publisher.messages == [*known, *lost]
    assert source.unsent == {}


@given(count=st.integers(0, 40), accepts=st.lists(st.integers(0, 15), max_size=5))
async def test_broker_that_comes_and_goes_loses_nothing_and_keeps_the_order(
    count: int, accepts: list[int]
) -> None:
    source, publisher = FakeSource(_messages(count), limit=7), FakePublisher()
    relay = _relay(source, publisher)

    for taken in accepts:
        publisher.accepts, publisher.is_down = taken, False
        try:
            await relay.drain(asyncio.Event())
        except Unavailable:
            continue
    publisher.accepts, publisher.is_down = None, False
    await relay.drain(asyncio.Event())

    assert source.unsent == {}
    assert publisher.messages == _messages(count)


async def test_refused_message_does_not_block_those_behind_it() -> None:
    too_large = Message("topic", b"device", bytes(MESSAGE_BYTES_MAX + 1))
    source, publisher = FakeSource([_messages(1)[0], too_large, _messages(3)[2]]), FakePublisher()

    await _relay(source, publisher).drain(asyncio.Event())

    assert source.sent == [1, 3]
    assert list(source.refused) == [2]


async def test_message_that_goes_out_smaller_is_not_overtaken() -> None:
    class Shrinking(FakeSource):
        async def refuse(self, entry: Entry, reason: str) -> None:
            self.refused[entry.id] = reason
            self.unsent[entry.id] = entry.message._replace(value=b"smaller")

    large = Message("topic", b"device", bytes(MESSAGE_BYTES_MAX + 1))
    other = Message("topic", b"other device", b"1")
    # In batches of two: what follows is read while the refused one is on its way.
    source = Shrinking([large, *_messages(4), other, large, *_messages(1)], limit=2)
    publisher = FakePublisher()

    assert await _relay(source, publisher).drain(asyncio.Event()) == 8
    assert sorted(source.refused) == [1, 7]
    assert [one.value for one in publisher.messages if one.key == b"device"] == [
        *(b"smaller", b"1", b"2", b"3", b"4"),
        *(b"smaller", b"1"),
    ]
    assert source.unsent == {}


async def test_run_waits_for_the_broker_says_so_and_then_delivers() -> None:
    source, publisher = FakeSource(_messages(2)), FakePublisher()
    publisher.is_down = True
    health, stop = Health(FakeClock()), asyncio.Event()
    relay = Relay(source, publisher, health, backoff=Backoff(initial_s=0, cap_s=0))

    running = asyncio.create_task(relay.run(stop))
    while not health.not_ready():
        await asyncio.sleep(0)
    assert health.not_live() == []
    publisher.is_down = False
    while source.unsent:
        await asyncio.sleep(0)
    stop.set()
    await running

    assert health.not_ready() == {}
    assert publisher.messages == _messages(2)


async def test_stop_ends_a_relay_that_has_nothing_to_do() -> None:
    class Quiet(FakeSource):
        async def changed(self, *, timeout_s: float) -> None:
            await asyncio.sleep(timeout_s + 3600)

    stop = asyncio.Event()
    running = asyncio.create_task(_relay(Quiet(), FakePublisher()).run(stop))
    await asyncio.sleep(0)
    stop.set()

    async with asyncio.timeout(5):
        await running
