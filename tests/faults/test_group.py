"""The group of consumers, and the topic that they read."""

import asyncio
import contextlib
import sqlite3

from maskwatch_runtime.kafka import topics

from faults import broker, end_state, members, watching
from faults.case import Fault, case
from faults.load import Shape
from faults.path import AlertPath, start

_SESSION_S = 10.0  # as `kafka.consumer` sets it
_STALLED_S = 5.0  # long enough for a machine that is busy with others


@case("F26", "1, 5 and 2 replicas of ingress under load; one frozen for longer than its session")
async def test_rebalances_and_a_frozen_member_lose_and_repeat_nothing(
    path: AlertPath, fault: Fault
) -> None:
    numbers = fault.random
    await path.start("dispatcher", "ingress", "notifier")
    replicas = [path.ingress, *(path.replica("ingress") for _ in range(4))]
    await asyncio.to_thread(path.load.begin, per_second=25)
    await start(*replicas[1:])
    fault.injected("scaled to 5")
    frozen = numbers.choice(replicas)
    frozen.process.pause()
    fault.injected("SIGSTOP")
    for leaving in numbers.sample([one for one in replicas if one is not frozen], k=3):
        await asyncio.sleep(numbers.uniform(0, 1))
        assert await asyncio.to_thread(leaving.stop) == 0
    fault.injected("scaled to 2")
    await asyncio.sleep(_SESSION_S + numbers.uniform(2, 4))
    assigned = watching.assignments(frozen)
    frozen.process.resume()
    fault.healed()
    await watching.until(lambda: watching.assignments(frozen) > assigned)
    await path.prove(fault)
    assert frozen.is_running
    assert frozen.is_live()


@case("F28", "the whole of Kafka killed, and restarted, under load", rounds=2)
async def test_restarted_broker_is_consumed_from_again(path: AlertPath, fault: Fault) -> None:
    kafka = path.servers.kafka
    await path.start("dispatcher", "ingress", "notifier")
    services = (path.dispatcher, path.ingress, path.notifier)
    processes = [one.process.pid for one in services]
    await asyncio.to_thread(path.load.begin, per_second=25)
    for end in fault.random.sample([kafka.kill, kafka.stop], k=2):
        await asyncio.sleep(fault.random.uniform(0.5, 2))
        await asyncio.to_thread(end)
        fault.injected(f"Kafka: {end.__name__}")
        await asyncio.sleep(fault.random.uniform(0, 4))
        await asyncio.to_thread(kafka.start)
        archived = await path.fetchval("SELECT count(*) FROM alert")

        async def is_consuming(archived: object = archived) -> bool:
            return await path.fetchval("SELECT count(*) FROM alert") != archived

        recovered_s = await watching.until(is_consuming)
        fault.recovered(recovered_s)
        fault.measured("consuming again after Kafka listens", recovered_s, "s", at_most=10)
    await path.prove(fault)
    assert [one.process.pid for one in services] == processes


@case("F29", "a consumer that hangs while its process lives on", rounds=2)
async def test_consumer_without_progress_says_that_it_is_not_live(
    path: AlertPath, fault: Fault
) -> None:
    await path.start("dispatcher", "notifier")
    for point in fault.random.sample(["ingress.fetching", "ingress.read_not_archived"], k=2):
        hung = path.armed(
            "ingress",
            point,
            nth=fault.random.randint(1, 3),
            number="HANG",
            STALLED_AFTER_S=str(_STALLED_S),
            POSTGRES_TIMEOUT_S="300",
        )
        await asyncio.to_thread(path.load.begin, per_second=25)
        await hung.until_signalled(timeout_s=60)
        fault.injected(f"hung: {point}")
        assert hung.is_live()
        waited_s = await watching.until(lambda: not hung.is_live())  # noqa: B023 - of this round
        fault.measured("until not live", waited_s, "s", at_most=2 * _STALLED_S)
        path.load.end()
        hung.kill()  # as the supervisor does
        group = path.group("ingress")
        await members.dismiss(path.servers.kafka.bootstrap, group, f"{group}-device-event")
    await path.start("ingress")
    fault.healed()
    await path.prove(fault)


async def _is_told(path: AlertPath, fault: Fault) -> None:
    """Delete the topic while it is read: everybody says so, and goes on once it is there again."""
    bootstrap = path.servers.kafka.bootstrap
    await broker.delete(bootstrap, topics.ALERT)
    fault.injected("topic deleted")
    await watching.until(lambda: not path.ingress.is_ready())
    await path.load.block(fault.random.randint(50, 200))
    await watching.until(lambda: not path.dispatcher.is_ready())
    assert path.ingress.is_live()
    assert path.dispatcher.is_live()
    await broker.create(bootstrap, topics.ALERT)


async def _is_counted(path: AlertPath, fault: Fault) -> None:
    """Have retention delete what nobody has read of some partitions; it is counted exactly."""
    bootstrap = path.servers.kafka.bootstrap
    await asyncio.to_thread(path.ingress.stop)
    await path.load.block(fault.random.randint(200, 400), shape=Shape(devices=20, site="yard"))
    await watching.until(lambda: not end_state.edge(path.outbox).unsent)
    unread = await broker.unread(bootstrap, topics.ALERT, path.group("ingress"))
    chosen = fault.random.sample(sorted(unread), k=fault.random.randint(1, len(unread) - 1))
    await broker.expire(bootstrap, topics.ALERT, {number: unread[number][1] for number in chosen})
    fault.injected("retention past the offset", len(chosen))
    gone = sum(unread[number][1] - unread[number][0] for number in chosen)
    await path.start("ingress")
    assert await path.until_settled()
    assert path.ingress.metric("ingress_messages_missed_total") == gone
    assert "records were deleted unread" in path.ingress.log()


async def _send_again(path: AlertPath) -> None:
    """Have the device send again what the archive does not have: it keeps what was sent."""
    archived = await path.archived()
    missing = [one.event_id for one in path.load.history.events if one.event_id not in archived]
    outbox = sqlite3.connect(path.outbox)
    with contextlib.closing(outbox), outbox:
        statement = "UPDATE alert SET sent = 0 WHERE event_id = ?"
        outbox.executemany(statement, [(event_id,) for event_id in missing])


@case("F30", "topic missing, partitions added, and retention past the committed offset")
async def test_changed_topic_is_told_and_what_is_gone_is_counted(
    path: AlertPath, fault: Fault
) -> None:
    path.configure("ingress", STALLED_AFTER_S="12")
    await path.start("dispatcher", "ingress", "notifier")
    await path.load.block(fault.random.randint(50, 200))
    assert await path.until_settled()
    await _is_told(path, fault)
    assert await path.until_settled()
    await broker.grow(path.servers.kafka.bootstrap, topics.ALERT, 9)
    fault.injected("partitions added", 3)
    await asyncio.to_thread(path.dispatcher.stop)  # which knows of them within five minutes
    await path.start("dispatcher")
    await path.load.block(200, shape=Shape(devices=40, site="annexe"))
    assert await path.until_settled()
    await _is_counted(path, fault)
    await _send_again(path)
    fault.healed()
    await path.prove(fault)
