import asyncio
from collections.abc import AsyncIterator

import pytest
from aiokafka import TopicPartition
from maskwatch_runtime.kafka.in_flight import InFlight

_FIRST, _SECOND = TopicPartition("topic", 0), TopicPartition("topic", 1)


class _Work:
    """Work that ends when it is told."""

    def __init__(self) -> None:
        self._outcome: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    async def run(self) -> None:
        await self._outcome

    async def end(self, error: Exception | None = None) -> None:
        if error is None:
            self._outcome.set_result(None)
        else:
            self._outcome.set_exception(error)
        for _ in range(3):  # lets the task that waits for it end too
            await asyncio.sleep(0)


@pytest.fixture
async def in_flight() -> AsyncIterator[InFlight]:
    batches = InFlight()
    yield batches
    await batches.cancel()


async def test_nothing_under_way_has_nothing_to_commit() -> None:
    in_flight = InFlight()

    assert in_flight.take_done() == {}
    assert in_flight.oldest == set()
    assert in_flight.failure() is None
    await in_flight.wait(timeout_s=0)


async def test_unfinished_batch_is_not_committed(in_flight: InFlight) -> None:
    in_flight.begin(_Work().run(), {_FIRST: 5})

    assert in_flight.take_done() == {}
    assert len(in_flight) == 1


async def test_later_batch_waits_for_its_turn(in_flight: InFlight) -> None:
    first, second = _Work(), _Work()
    in_flight.begin(first.run(), {_FIRST: 5})
    in_flight.begin(second.run(), {_FIRST: 9, _SECOND: 3})

    await second.end()
    assert in_flight.take_done() == {}
    await first.end()
    assert in_flight.take_done() == {_FIRST: 9, _SECOND: 3}
    assert len(in_flight) == 0


async def test_nothing_behind_a_failure_is_ever_committed(in_flight: InFlight) -> None:
    first, second, third = _Work(), _Work(), _Work()
    for number, work in enumerate((first, second, third), start=1):
        in_flight.begin(work.run(), {_FIRST: number})

    await first.end()
    await second.end(RuntimeError("a bug"))
    await third.end()

    assert in_flight.take_done() == {_FIRST: 1}
    assert str(in_flight.failure()) == "a bug"
    assert in_flight.take_done() == {}
    assert len(in_flight) == 2


async def test_failure_behind_unfinished_work_is_told_later(in_flight: InFlight) -> None:
    first, second = _Work(), _Work()
    in_flight.begin(first.run(), {_FIRST: 1})
    in_flight.begin(second.run(), {_FIRST: 2})

    await second.end(RuntimeError("a bug"))

    assert in_flight.failure() is None


async def test_partition_that_went_to_another_member_is_not_committed(
    in_flight: InFlight,
) -> None:
    before, after = _Work(), _Work()
    in_flight.begin(before.run(), {_FIRST: 5, _SECOND: 6})
    in_flight.abandon([_FIRST])
    in_flight.begin(after.run(), {_SECOND: 8})

    await before.end()
    await after.end()

    assert in_flight.take_done() == {_SECOND: 8}


async def test_cancelled_work_is_forgotten() -> None:
    in_flight = InFlight()
    in_flight.begin(_Work().run(), {_FIRST: 1})
    (work,) = in_flight.oldest

    await in_flight.cancel()

    assert work.cancelled()
    assert len(in_flight) == 0
    assert in_flight.take_done() == {}
