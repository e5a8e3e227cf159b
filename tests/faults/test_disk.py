"""The device's disk: it loses what was not synced, gets full, or dies."""

from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
from maskwatch_runtime.outbox import quarantine
from maskwatch_runtime.outbox.outbox import Outbox

from faults.case import Fault, case
from faults.disk import Card, SmallDisk
from faults.load import Shape
from faults.path import AlertPath
from faults.power import Device
from faults.spooling import WriterProcess
from faults.waiting import until
from faults.writer import Orders, Status

_CUTS = 150


@case("F2", "power cut: the disk forgets what was not synced", rounds=_CUTS)
def test_what_was_acknowledged_survives_a_power_cut_at_any_write(
    fault: Fault, tmp_path: Path
) -> None:
    device = Device(tmp_path / "before", fault.random)
    device.live(operations=60)
    for number in fault.rounds:
        count = fault.random.randint(0, len(device.steps))
        survivor = device.cut(count, tmp_path / f"cut-{number}")
        fault.injected("power cut")
        with closing(Outbox.open(survivor)) as outbox:
            ask = outbox.connection.execute
            assert ask("PRAGMA integrity_check").fetchone() == ("ok",)
            assert ask("PRAGMA journal_mode").fetchone() == ("wal",)
            kept = dict(ask("SELECT event_id, sent FROM alert").fetchall())
        assert not quarantine.held(survivor), "it was damaged"
        assert device.promised(count) <= kept.keys()
        assert all(kept.get(one, 1) for one in device.marked(count))
        fault.events += len(kept)
    fault.healed()
    fault.settled()


_MB = 1024 * 1024


@pytest.fixture
def small_disk(path: AlertPath) -> Iterator[SmallDisk]:
    """The device's disk, 48 MB."""
    with closing(SmallDisk(path.outbox.parent, size_bytes=48 * _MB)) as made:
        yield made


@case("F5", "the outbox's disk is full, and gets room again")
async def test_full_disk_costs_sent_rows_then_pictures_and_what_is_dropped_is_counted(
    path: AlertPath, fault: Fault, small_disk: SmallDisk
) -> None:
    path.configure("dispatcher", DISK_FREE_BYTES_MIN=str(12 * _MB), HOUSEKEEPING_S="1")
    broker = path.proxy("dispatcher", "kafka")
    await path.start("dispatcher", "ingress")
    shape = Shape(picture_bytes=40_000, batch=64)  # what the detector stores at once, at most
    await path.load.block(150, shape=shape)
    assert await path.until_settled()
    broker.blackhole()
    await path.load.block(150, shape=shape)
    with closing(WriterProcess(path.outbox, path.folder)) as writer:
        small_disk.fill(left_bytes=fault.random.choice((0, 4096, 100_000)))
        fault.injected("ENOSPC")
        orders = Orders(
            seed=fault.random.getrandbits(64),
            after=path.load.tried,
            count=500,
            per_second=200,
            capacity=50,
            picture_bytes=40_000,
        )
        writer.begin(orders)
        await until(lambda: writer.status().put == orders.count)
        await until(lambda: path.dispatcher.metric("dispatcher_pictures_evicted_total") > 0)
        assert path.dispatcher.metric("dispatcher_rows_evicted_total") > 0
        small_disk.give_back()
        broker.heal()
        fault.healed()
        final = writer.end()
    await path.prove(fault)
    assert final.put == orders.count
    assert final.dropped == path.load.tried - len(path.end.rows)
    fault.measured("alerts dropped of those that came while it was full", final.dropped, "")


@pytest.fixture
def card(path: AlertPath) -> Iterator[Card]:
    """The device's SD card."""
    with closing(Card(path.folder / "card.img", path.outbox.parent)) as made:
        yield made


_MEMORY = 20


def _settled(status: Status) -> int:
    return status.stored + status.dropped


@case("F6", "the SD card dies: the kernel makes its file system read-only")
async def test_dead_card_fails_health_and_the_last_alerts_wait_in_memory(
    path: AlertPath, fault: Fault, card: Card
) -> None:
    await path.start("dispatcher", "ingress")
    with closing(WriterProcess(path.outbox, path.folder)) as writer:
        orders = Orders(
            seed=fault.random.getrandbits(64),
            after=0,
            count=fault.random.randint(50, 150),
            per_second=50,
            capacity=_MEMORY,
        )
        writer.begin(orders)
        if fault.random.random() < 0.5:
            # A disk that is busy with others' work may be too slow for memory to hold the rest.
            await until(lambda: _settled(writer.status()) == orders.count)
        else:
            await until(lambda: writer.status().stored > 10)
        card.die()
        fault.injected("read-only file system")
        fails_s = await until(lambda: "outbox" in writer.status().missing)
        fault.measured("until health fails", fails_s, "s", at_most=10)
        await until(lambda: writer.status().put == orders.count)
        assert writer.is_running
        assert path.dispatcher.is_running
        card.replace()
        fault.healed()
        await until(lambda: not writer.status().missing)
        final = writer.end()
    await path.prove(fault)
    archived = {row.event_id for row in path.end.rows}
    assert {one.event_id for one in path.load.history.events[-_MEMORY:]} <= archived
    assert final.dropped == path.load.tried - len(archived)
