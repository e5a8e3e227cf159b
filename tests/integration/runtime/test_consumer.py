import asyncio
from collections.abc import Sequence

from devstack.kafka import Kafka
from maskwatch_runtime.kafka.dead_letters import Rejected
from maskwatch_runtime.kafka.message import Record

from devstack import ports
from tests.integration.runtime.consumer_group import Group, Handler


async def test_records_are_handled_in_order_and_committed(group: Group) -> None:
    await group.publish(range(50))
    handler = Handler()

    async with group.running(handler, batches=1):
        await handler.until(set(range(50)))

    assert handler.values == list(range(50))
    assert handler.done[0].topic == group.topic
    assert handler.done[0].header("h") == "1"
    assert await group.committed() == 50


async def test_restarted_group_goes_on_where_it_stopped(group: Group) -> None:
    await group.publish(range(10))
    before = Handler()
    async with group.running(before):
        await before.until(set(range(10)))
    await group.publish(range(10, 20))

    after = Handler()
    async with group.running(after):
        await after.until(set(range(10, 20)))

    assert after.values == list(range(10, 20))


async def test_stop_finishes_and_commits_what_is_in_hand(group: Group) -> None:
    await group.publish(range(5))
    began, may_end = asyncio.Event(), asyncio.Event()

    async def step(_: Sequence[Record]) -> Sequence[Rejected]:
        began.set()
        await may_end.wait()
        return []

    stop = asyncio.Event()
    handler = Handler(step)
    running = asyncio.create_task(group.run(handler, stop))
    async with asyncio.timeout(20):
        await began.wait()
    stop.set()
    may_end.set()
    await running

    assert await group.committed() == len(handler.done) > 0


async def test_partitions_that_wait_for_long_lose_nothing(group: Group) -> None:
    await group.publish(range(100))
    await group.publish(range(100, 200), partition=1)
    may_go_on = asyncio.Event()

    async def step(_: Sequence[Record]) -> Sequence[Rejected]:
        await may_go_on.wait()
        return []

    handler = Handler(step)
    # Silence ends at once: while the batches wait, the partitions are paused again and again.
    async with group.running(handler, batch_records=10, batches=2, silence_s=0.0):
        await asyncio.sleep(1.5)  # the time itself is what is tested
        may_go_on.set()
        await handler.until(set(range(200)))

    assert sorted(handler.values) == list(range(200))
    assert [value for value in handler.values if value < 100] == list(range(100))
    assert (await group.committed(), await group.committed(1)) == (100, 100)


async def test_members_come_and_go_and_every_record_is_handled(group: Group) -> None:
    first, second = Handler(), Handler()
    async with group.running(first, batch_records=5):
        await group.publish(range(20))
        await first.until(set(range(20)))
        async with group.running(second, batch_records=5):
            # Both partitions get records until the newcomer has one of them.
            count = 20
            async with asyncio.timeout(30):
                while not second.done:
                    await group.publish([count], partition=count % 2)
                    count += 1
        await group.publish(range(count, count + 10))
        await first.until(set(range(count + 10)) - set(second.values))

    total = await group.committed() + await group.committed(1)
    assert total == count + 10


async def test_broker_that_was_restarted_is_consumed_again(
    group: Group, kafka_server: Kafka
) -> None:
    handler = Handler()
    async with group.running(handler):
        await group.publish(range(5))
        await handler.until(set(range(5)))
        await asyncio.to_thread(kafka_server.restart)
        await group.publish(range(5, 10))
        await handler.until(set(range(10)))

    assert await group.committed() == 10


async def test_broker_that_is_away_is_named_and_a_stop_is_heard() -> None:
    (port,) = ports.free(1)
    group = Group(f"127.0.0.1:{port}")

    async with group.running(Handler()):
        async with asyncio.timeout(20):
            while "kafka" not in group.health.not_ready():
                await asyncio.sleep(0.02)
        assert group.health.not_live() == []
