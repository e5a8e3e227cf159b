"""Between the broker and PostgreSQL."""

import asyncio

from faults import database, members, watching
from faults.case import Fault, case
from faults.load import Shape
from faults.path import AlertPath

_OPEN = "SELECT count(*) FROM notification_request WHERE published_at IS NULL"
_MIB = 1024 * 1024


async def _kill_at(path: AlertPath, point: str, fault: Fault) -> None:
    killed = path.armed("ingress", point)
    await killed.until_signalled(timeout_s=60)
    fault.injected(f"SIGKILL at {point}")
    await _dismiss(path)


async def _dismiss(path: AlertPath) -> None:
    """Have the group forget who was killed: its successor would wait for the session to end."""
    group = path.group("ingress")
    await members.dismiss(path.servers.kafka.bootstrap, group, f"{group}-device-event")


@case("F21", "PostgreSQL away, and ingress killed while alerts wait for it")
async def test_what_waits_for_the_database_outlives_ingress(path: AlertPath, fault: Fault) -> None:
    postgres, numbers = path.servers.postgres, fault.random
    await path.start("dispatcher", "ingress", "notifier")
    await path.load.block(numbers.randint(50, 200))
    assert await path.until_settled()
    await asyncio.to_thread(numbers.choice([postgres.kill, postgres.stop]))
    fault.injected("PostgreSQL away")
    await path.load.block(numbers.randint(300, 1_000))
    await watching.until(lambda: not path.ingress.is_ready())
    await asyncio.sleep(numbers.uniform(1, 5))
    await asyncio.to_thread(path.ingress.kill)
    fault.injected("SIGKILL of ingress")
    await _dismiss(path)
    await asyncio.to_thread(postgres.start)
    await path.start("ingress")
    fault.healed()
    await path.prove(fault)


@case("F21", "PostgreSQL killed, and stopped, while alerts keep coming", rounds=2)
async def test_away_database_costs_nothing_but_time(path: AlertPath, fault: Fault) -> None:
    postgres, numbers = path.servers.postgres, fault.random
    ends = numbers.sample([postgres.kill, postgres.stop], k=2)
    await path.start("dispatcher", "ingress", "notifier")
    process = path.ingress.process.pid

    async def is_held() -> bool:
        return await watching.lag(path) == missed

    async def is_taken_up() -> bool:
        return await watching.lag(path) < missed

    for _, end in zip(fault.rounds, ends, strict=True):
        await path.load.block(numbers.randint(50, 200))
        assert await path.until_settled()
        await asyncio.to_thread(end)
        fault.injected(f"PostgreSQL: {end.__name__}")
        missed = numbers.randint(300, 1_000)
        await path.load.block(missed)
        await watching.until(lambda: not path.ingress.is_ready())
        await asyncio.sleep(numbers.uniform(10, 13))  # the waits between tries are at their longest
        await watching.until(is_held)  # an offset committed past the archive would make it less
        assert path.ingress.is_live()
        await asyncio.to_thread(postgres.start)
        fault.recovered(await watching.until(is_taken_up))
    await path.prove(fault)
    assert path.ingress.process.pid == process
    fault.measured("PostgreSQL restart", fault.recovery_s or 0.0, "s", at_most=5.0)


@case("F22", "a session killed in mid-transaction, a deadlock, a full disk and six more")
async def test_every_passing_error_is_tried_again_and_writes_one_row(
    path: AlertPath, fault: Fault
) -> None:
    await path.start("dispatcher", "ingress", "notifier")
    faults = list(database.Faults(path).all.items())
    fault.random.shuffle(faults)
    for name, inject in faults:
        await inject()
        fault.injected(name)
        assert await path.until_settled(), f"stuck after: {name}"
    fault.healed()
    await path.prove(fault)


@case("F24", "SIGKILL of ingress between the database's commit and the offset's", rounds=10)
async def test_what_is_consumed_twice_is_archived_asked_for_and_mailed_once(
    path: AlertPath, fault: Fault
) -> None:
    await path.start("dispatcher", "notifier")
    for _ in fault.rounds:
        await path.load.block(fault.random.randint(10, 60))
        await _kill_at(path, "ingress.archived_not_offset", fault)
    await path.start("ingress")
    fault.healed()
    await path.prove(fault)
    assert path.ingress.metric("ingress_alerts_repeated_total") > 0


@case("F25", "SIGKILL of ingress between the database's commit and the request", rounds=3)
async def test_what_was_archived_is_still_asked_for(path: AlertPath, fault: Fault) -> None:
    points = (
        "ingress.committed_not_requested",
        "ingress.request_read_not_published",
        "ingress.requested_not_marked",
    )
    await path.start("dispatcher", "notifier")
    for point in fault.random.sample(points, k=3):
        await path.load.block(fault.random.randint(10, 60))
        await _kill_at(path, point, fault)
        assert await path.fetchval(_OPEN)
    await path.start("ingress")
    fault.healed()
    await path.prove(fault)


@case("F27", "every answer of the database comes 500 ms later, in each direction")
async def test_slow_database_holds_records_back_and_keeps_its_place(
    path: AlertPath, fault: Fault
) -> None:
    slow = path.proxy("ingress", "postgres")
    path.configure("ingress", POSTGRES_TIMEOUT_S="10")
    await path.start("dispatcher", "ingress")
    await path.load.block(100)
    assert await path.until_settled()
    before, assigned = watching.peak_bytes(path.ingress), watching.assignments(path.ingress)
    slow.delay(0.5)
    fault.injected("500 ms each way")
    await path.load.block(4_000, shape=Shape(picture_bytes=40_000))
    await asyncio.sleep(fault.random.uniform(12, 15))  # longer than the group waits for a member
    assert path.ingress.is_live()
    waiting = await watching.lag(path)
    slow.heal()
    fault.healed()
    await path.prove(fault)
    grown = (watching.peak_bytes(path.ingress) - before) / _MIB
    fault.measured("memory beyond the idle service", grown, "MiB", at_most=120)
    assert waiting > 0, "the database was never the bottleneck"
    assert watching.assignments(path.ingress) == assigned, "the group lost its member"
    assert grown < 120
