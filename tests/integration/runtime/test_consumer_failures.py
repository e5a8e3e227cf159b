import asyncio
from collections import Counter
from collections.abc import Sequence

import pytest
from maskwatch_runtime.errors import Unavailable
from maskwatch_runtime.kafka.dead_letters import Rejected
from maskwatch_runtime.kafka.message import Record

from tests.integration.runtime.consumer_group import Group, Handler


async def _never(_: Sequence[Record]) -> Sequence[Rejected]:
    raise Unavailable("postgres", "the test took it away")


async def test_nothing_is_committed_while_a_dependency_is_away(group: Group) -> None:
    await group.publish(range(10))
    tries = 0
    is_back = asyncio.Event()

    async def step(_: Sequence[Record]) -> Sequence[Rejected]:
        nonlocal tries
        tries += 1
        if not is_back.is_set():
            raise Unavailable("postgres", "the test took it away")
        return []

    handler = Handler(step)
    async with group.running(handler):
        async with asyncio.timeout(20):
            while tries < 3:
                await asyncio.sleep(0.02)
        assert handler.done == []
        assert await group.committed() == 0
        assert group.health.not_ready() == {"postgres": "the test took it away"}
        assert group.health.not_live() == []
        is_back.set()
        await handler.until(set(range(10)))
        async with asyncio.timeout(20):
            while group.health.not_ready():
                await asyncio.sleep(0.02)

    assert await group.committed() == 10


async def test_stop_while_a_dependency_is_away_commits_nothing(group: Group) -> None:
    await group.publish(range(10))
    handler = Handler(_never)

    async with group.running(handler):
        async with asyncio.timeout(20):
            while not group.health.not_ready():
                await asyncio.sleep(0.02)

    assert await group.committed() == 0


async def test_nothing_behind_a_batch_that_waits_is_committed_at_the_end(group: Group) -> None:
    await group.publish(range(3))

    async def step(records: Sequence[Record]) -> Sequence[Rejected]:
        return await _never(records) if records[0].offset == 0 else []

    handler = Handler(step)
    async with group.running(handler, batch_records=1, batches=3):
        await handler.until({1, 2})

    assert await group.committed() == 0


async def test_bug_in_a_batch_ends_the_consumer_and_commits_nothing_behind_it(
    group: Group,
) -> None:
    await group.publish(range(4))
    others = asyncio.Event()

    async def step(records: Sequence[Record]) -> Sequence[Rejected]:
        if records[0].offset == 1:
            await others.wait()
            raise RuntimeError("a bug")
        if records[0].offset == 3:
            others.set()
        return []

    handler = Handler(step)
    with pytest.raises(RuntimeError, match="a bug"):
        await group.run(handler, asyncio.Event(), batch_records=1, batches=4)

    assert await group.committed() == 1
    after = Handler()
    async with group.running(after):
        await after.until({1, 2, 3})
    assert after.values == [1, 2, 3]


async def test_bug_while_stopping_is_not_kept_quiet(group: Group) -> None:
    await group.publish([0])
    began, stop = asyncio.Event(), asyncio.Event()

    async def step(_: Sequence[Record]) -> Sequence[Rejected]:
        began.set()
        await stop.wait()
        raise RuntimeError("a bug")

    running = asyncio.create_task(group.run(Handler(step), stop))
    async with asyncio.timeout(20):
        await began.wait()
    stop.set()

    with pytest.raises(RuntimeError, match="a bug"):
        await running
    assert await group.committed() == 0


async def test_crash_before_the_commit_redelivers(group: Group) -> None:
    await group.publish(range(5))
    handler = Handler()

    async def step(_: Sequence[Record]) -> Sequence[Rejected]:
        # The work is done and the process dies before the offset is committed.
        raise RuntimeError("killed")

    with pytest.raises(RuntimeError, match="killed"):
        await group.run(Handler(step), asyncio.Event())
    async with group.running(handler):
        await handler.until(set(range(5)))

    assert handler.values == list(range(5))


async def test_rejected_records_become_dead_letters_and_the_rest_goes_on(group: Group) -> None:
    await group.publish(range(6))

    async def step(records: Sequence[Record]) -> Sequence[Rejected]:
        return [Rejected(one, "field", "is odd") for one in records if int(one.value) % 2]

    handler = Handler(step)
    async with group.running(handler):
        await handler.until(set(range(6)))

    letters = await group.dead_letters(3)
    assert [value for value, _ in letters] == [b"1", b"3", b"5"]
    headers = letters[0][1]
    assert headers["h"] == b"1"
    assert headers["dlq.topic"] == group.topic.encode()
    assert (headers["dlq.offset"], headers["dlq.reason"]) == (b"1", b"is odd")
    assert await group.committed() == 6


async def test_too_many_invalid_hold_the_consumer_and_nothing_is_lost(group: Group) -> None:
    await group.publish(range(40))
    is_tried_again = asyncio.Event()
    tried: Counter[bytes] = Counter()

    async def step(records: Sequence[Record]) -> Sequence[Rejected]:
        tried.update(one.value for one in records)
        if max(tried.values()) > 2:
            is_tried_again.set()
        return [Rejected(one, "field", "is wrong") for one in records]

    async with group.running(Handler(step), in_a_row_max=10, batch_records=5, batches=3):
        async with asyncio.timeout(30):
            await is_tried_again.wait()
        assert "field is wrong" in str(group.health.not_ready())
        assert group.health.not_live() == []

    committed = await group.committed()
    assert committed <= 10
    letters = await group.dead_letters(committed)
    assert [int(value) for value, _ in letters] == list(range(committed))
