"""The device's outbox, when its writers die, crowd it, or its file is damaged."""

import asyncio
import itertools
import random
import signal
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import NamedTuple

import pytest
from maskwatch_proto import event_contract
from maskwatch_proto.alert import ClockQuality
from maskwatch_proto.device_event import DeviceEvent
from maskwatch_runtime.outbox import quarantine

from faults import checker, damage, detector, end_state
from faults.case import Fault, case
from faults.history import History
from faults.load import Load
from faults.path import AlertPath
from faults.spooling import WriterProcess
from faults.stepped_clock import SteppedClock
from faults.waiting import until
from faults.writer import Orders

_POINTS = ("detector.inserting", "detector.inserted")
_INTEGRITY = "PRAGMA integrity_check"


@pytest.fixture
def writer(path: AlertPath) -> Iterator[WriterProcess]:
    with closing(WriterProcess(path.outbox, path.folder)) as made:
        yield made


def _moment(numbers: random.Random, after: int) -> Orders:
    """Return a writer that dies at a random moment, or at a named point of its insert."""
    point = numbers.choice(("", *_POINTS))
    return Orders(
        seed=numbers.getrandbits(64),
        after=after,
        picture_bytes=numbers.choice((0, 4_000, 40_000)),
        wal_bytes=numbers.choice((64 * 1024, 4 * 1024 * 1024)),
        point=point,
        nth=numbers.randint(1, 5 if point == "detector.inserted" else 150),
        delay_s=numbers.uniform(0, 0.1),
    )


def _fetchone(outbox: Path, statement: str) -> tuple[object, ...]:
    with closing(sqlite3.connect(outbox)) as connection:
        connection.execute("PRAGMA busy_timeout = 10000")
        row: tuple[object, ...] = connection.execute(statement).fetchone()
        return row


def _ids(outbox: Path) -> set[str]:
    with closing(sqlite3.connect(outbox)) as connection:
        if not connection.execute("SELECT 1 FROM sqlite_master WHERE name = 'alert'").fetchone():
            return set()  # killed before it was made: nothing was acknowledged either
        return {event_id for (event_id,) in connection.execute("SELECT event_id FROM alert")}


@case("F1", "SIGKILL of the detector's writer during an insert", rounds=50)
async def test_no_committed_row_is_missing_and_the_file_is_whole(
    path: AlertPath, fault: Fault, writer: WriterProcess
) -> None:
    for _ in fault.rounds:
        assert writer.die(_moment(fault.random, path.load.tried)) == signal.SIGKILL
        fault.injected("SIGKILL")
        assert _fetchone(path.outbox, _INTEGRITY) == ("ok",)
        assert {one.event_id for one in path.load.history.acknowledged} <= _ids(path.outbox)
    await path.start("dispatcher", "ingress")
    fault.healed()
    await path.prove(fault)


@case("F3", "detector and dispatcher write and checkpoint at once, with an old SQLite", rounds=4)
async def test_two_that_checkpoint_leave_a_whole_file_and_no_lock_escapes(
    path: AlertPath, fault: Fault
) -> None:
    path.configure("dispatcher", KEEP_SENT_HOURS="0", HOUSEKEEPING_S="0.2")
    await path.start("ingress", "dispatcher")
    theirs, ours = 0, 0
    for number in fault.rounds:
        with closing(WriterProcess(path.outbox, path.folder)) as writer:
            before = path.load.tried
            writer.begin(
                Orders(
                    seed=fault.random.getrandbits(64),
                    after=before,
                    count=800,
                    per_second=400,
                    capacity=1000,
                    picture_bytes=fault.random.choice((20_000, 40_000)),
                    # The dispatcher does it from 4 MiB on, twice a second: mostly the writer is
                    # the first, then mostly the dispatcher.
                    wal_bytes=(4, 16)[number % 2] * 1024 * 1024,
                )
            )
            if number:  # whoever is left becomes the one that checkpoints
                await until(partial(_has_tried, path.load, before + 200))
                ours += _checkpoints(path)
                path.dispatcher.stop()
                await until(partial(_has_tried, path.load, before + 600))
                await path.start("dispatcher")
            await until(partial(_has_tried, path.load, before + 800))
            status = writer.end()
            theirs += status.checkpoints
            assert status.dropped == 0
            assert "locked" not in writer.log()
        fault.injected("writers side by side")
    fault.healed()
    await path.prove(fault)
    ours += _checkpoints(path)
    assert ours, "the dispatcher has never checkpointed"
    assert theirs, "the detector has never checkpointed"
    assert _fetchone(path.outbox, _INTEGRITY) == ("ok",)
    assert "locked" not in path.dispatcher.log()


def _checkpoints(path: AlertPath) -> int:
    return int(path.dispatcher.metric("dispatcher_outbox_checkpoints_total"))


def _has_tried(load: Load, count: int) -> bool:
    return load.tried >= count


@case("F4", "the outbox is damaged or cut short at start", rounds=4)
async def test_damaged_outbox_is_put_aside_and_what_can_be_read_is_delivered(
    path: AlertPath, fault: Fault
) -> None:
    await path.start("ingress")
    may_be_lost = 0
    harms = fault.random.sample((damage.header, damage.emptied, damage.leaf, damage.cut), 4)
    for number, harm in enumerate(harms, 1):
        await _fill(path, fault, has_log=harm is damage.emptied)
        may_be_lost += harm(path.outbox, fault.random)
        fault.injected(harm.__name__)
        await path.start("dispatcher")
        await until(partial(_are_held, path.outbox, number))
        assert await path.until_settled()
        path.dispatcher.stop()
    fault.healed()
    assert len(quarantine.held(path.outbox)) == len(fault.rounds)
    history = path.load.history
    lost = {one.event_id for one in history.acknowledged} - await path.archived()
    assert len(lost) <= may_be_lost
    fault.settled()
    kept = History(tuple(one for one in history.events if one.event_id not in lost))
    path.end = await end_state.observe(path.places)
    verdict = checker.judge(kept, path.end, path.expected)
    fault.events, fault.verdict = len(history.events), f"{verdict}\n{len(lost)} unreadable"
    assert verdict.is_clean, str(verdict)


def _are_held(outbox: Path, count: int) -> bool:
    is_under_way = outbox.with_name(f"{outbox.name}-quarantine").exists()
    return len(quarantine.held(outbox)) == count and not is_under_way


async def _fill(path: AlertPath, fault: Fault, *, has_log: bool) -> None:
    """Store alerts; with a log, they stand in it alone: its writer was killed."""
    if not has_log:
        await path.load.block(fault.random.randint(300, 600))
        return
    path.outbox.unlink(missing_ok=True)
    orders = Orders(
        seed=fault.random.getrandbits(64),
        after=path.load.tried,
        point="detector.inserted",
        nth=3,
        wal_bytes=10**9,
    )
    with closing(WriterProcess(path.outbox, path.folder)) as writer:
        assert await asyncio.to_thread(writer.die, orders) == signal.SIGKILL


@case("F4", "the outbox is damaged: two find it at once, and the device says so")
async def test_only_one_puts_a_damaged_outbox_aside_and_the_device_tells(
    path: AlertPath, fault: Fault
) -> None:
    await path.load.block(fault.random.randint(100, 300))
    damage.header(path.outbox, fault.random)
    fault.injected("header")
    edge = detector.made(path.folder, path.outbox)
    edge.begin()
    try:
        await path.start("dispatcher", "ingress")
        await until(edge.is_ready)
        await until(lambda: "outbox" in detector.said(edge).get("degraded", {}))
        while not await path.fetchval(_TOLD):
            await asyncio.sleep(0.2)
        assert len(quarantine.held(path.outbox)) == 1
    finally:
        edge.stop()
    fault.healed()
    assert await path.until_settled()
    fault.settled()
    assert {one.event_id for one in path.load.history.acknowledged} <= await path.archived()


_TOLD = "SELECT count(*) > 0 FROM device_event WHERE detail->'problems'->>0 LIKE '%put aside%'"


@case("F12", "the clock is two weeks back at boot, set by NTP, and jumps by an hour")
async def test_order_and_episodes_hold_while_the_clock_is_set(
    path: AlertPath, fault: Fault
) -> None:
    clock = SteppedClock(path.folder)
    behind = timedelta(seconds=-fault.random.randint(13, 15) * 86_400)
    clock.set(behind, is_in_step=False)
    edge = detector.made(path.folder, path.outbox, **clock.environment)
    edge.begin()
    try:
        await until(lambda: _told(path.outbox).alerts == 1)
        for offset, is_in_step in (
            (timedelta(0), True),
            (timedelta(hours=fault.random.choice((-1, 1))), False),
            (timedelta(0), True),
        ):
            before = len(_told(path.outbox).events)
            clock.set(offset, is_in_step=is_in_step)
            fault.injected("clock set")
            # The second one was begun after the clock was set.
            await until(partial(_has_told, path.outbox, before + 2))
    finally:
        edge.stop()
    _check_clock(_told(path.outbox), behind)
    await path.start("dispatcher", "ingress")
    fault.healed()
    assert await path.until_settled()
    fault.settled()


def _has_told(outbox: Path, count: int) -> bool:
    return len(_told(outbox).events) >= count


class _Told(NamedTuple):
    """What stands in the outbox, in its order: alerts; boot, sequence, quality, time of events."""

    alerts: int
    events: list[DeviceEvent]


def _told(outbox: Path) -> _Told:
    if not outbox.exists():
        return _Told(0, [])
    try:
        with closing(sqlite3.connect(f"file:{outbox}?mode=ro", uri=True)) as connection:
            rows = connection.execute("SELECT payload FROM device_event ORDER BY position")
            events = [event_contract.decode(payload) for (payload,) in rows]
            (alerts,) = connection.execute("SELECT count(*) FROM alert").fetchone()
    except sqlite3.OperationalError:  # the detector is making the tables
        return _Told(0, [])
    return _Told(alerts, events)


def _check_clock(told: _Told, behind: timedelta) -> None:
    events = told.events
    assert len({one.boot_id for one in events}) == 1
    numbers = [one.sequence for one in events]
    assert numbers == sorted(set(numbers))
    began_at = datetime.now(UTC) + behind + timedelta(days=1)
    for one in events:
        if one.event_time < began_at:
            assert one.clock_quality is ClockQuality.UNCERTAIN
    qualities = [quality for quality, _ in itertools.groupby(one.clock_quality for one in events)]
    unsure, sure = ClockQuality.UNCERTAIN, ClockQuality.SYNCHRONISED
    assert qualities == [unsure, sure, unsure, sure]
    # One person stood there all the time: whatever the clock said, that is one alert.
    assert told.alerts == 1
    assert not [one for one in events if one.happening.kind == "camera_changed"]
