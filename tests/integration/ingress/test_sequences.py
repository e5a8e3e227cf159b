"""Devices whose numbers do not add up, as metrics and views show them."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Mapping, Sequence

import asyncpg
import pytest
from ingress import sequences
from ingress.archive import Archive
from ingress.event_archive import EventArchive
from ingress.metrics import Metrics
from ingress.sequences import Found
from ingress.settings import IngressSettings
from maskwatch_proto.alert import Alert, Device
from maskwatch_proto.device_event import DeviceEvent, Heartbeat
from maskwatch_runtime.clock import SystemClock
from maskwatch_runtime.postgres import Pool
from prometheus_client import CollectorRegistry
from structlog.testing import capture_logs

MakeAlert = Callable[..., Alert]
MakeEvent = Callable[..., DeviceEvent]
Connect = Callable[[str], Awaitable[asyncpg.Connection]]


@pytest.fixture
async def pool(settings: IngressSettings) -> AsyncIterator[Pool]:
    made = Pool(settings, size=2)
    yield made
    await made.close()


@pytest.fixture
def store(pool: Pool, make_alert: MakeAlert) -> Callable[..., Awaitable[None]]:
    """Archives alerts of a start of a device with these numbers."""

    async def store(numbers: Iterable[int], *, guid: str = "door-1", boot: str = "b") -> None:
        made = [
            make_alert(device=Device(guid=guid), boot_id=boot, sequence=number)
            for number in numbers
        ]
        await Archive(pool, SystemClock()).insert(made)

    return store


Store = Callable[..., Awaitable[None]]


async def test_empty_archive_has_nothing_odd(pool: Pool) -> None:
    assert await sequences.look(pool) == Found()


async def test_numbers_without_a_gap_are_fine_wherever_they_begin(store: Store, pool: Pool) -> None:
    await store(range(7, 20))

    assert await sequences.look(pool) == Found(new_devices=1)


async def test_missing_and_repeated_numbers_are_counted(store: Store, pool: Pool) -> None:
    await store([1, 2, 5, 6, 6, 9])

    assert await sequences.look(pool) == Found(missing=4, repeated=1, new_devices=1)


async def test_alerts_and_events_fill_each_others_gaps(
    store: Store, pool: Pool, make_event: MakeEvent
) -> None:
    await store([1, 3])
    beat = Heartbeat(version="1", uptime_s=1)
    between = make_event(beat, device=Device(guid="door-1"), boot_id="b", sequence=2)
    await EventArchive(pool, SystemClock()).insert([between])

    assert (await sequences.look(pool)).missing == 0


async def test_what_the_slower_topic_has_told_of_before_is_not_missing(
    store: Store, pool: Pool, make_event: MakeEvent, archived: asyncpg.Connection
) -> None:
    """Of numbers 1 to 6 the events 2 and 4 came long ago, the alerts 1, 3 and 5 just now."""
    beat, door = Heartbeat(version="1", uptime_s=1), Device(guid="door-1")
    made = [make_event(beat, device=door, boot_id="b", sequence=number) for number in (2, 4)]
    await EventArchive(pool, SystemClock()).insert(made)
    await archived.execute("UPDATE device_event SET received_at = now() - interval '2 hours'")
    last = make_event(beat, device=door, boot_id="b", sequence=6)
    await EventArchive(pool, SystemClock()).insert([last])
    await store([1, 3, 5])

    assert (await sequences.look(pool)).missing == 0


async def test_numbers_of_any_size_are_counted(
    store: Store, pool: Pool, connect_as: Connect
) -> None:
    await store([0, 2**63 - 1, 2**63 - 1])
    await store([0, 2**63 - 1], boot="another")

    found = await sequences.look(pool)

    assert (found.missing, found.repeated) == (2 * (2**63 - 2), 1)
    analyst = await connect_as("analyst")
    gaps = await analyst.fetch("SELECT missing_from, missing_to, missing FROM sequence_gap")
    assert [tuple(gap) for gap in gaps] == [(1, 2**63 - 2, 2**63 - 2)] * 2


async def test_original_programs_number_nothing(store: Store, pool: Pool) -> None:
    await store([0, 0, 0], boot="")

    assert await sequences.look(pool) == Found(new_devices=1)


def _count(told: Sequence[Mapping[str, object]], words: str) -> int:
    return sum(words in str(line["event"]) for line in told)


async def _until_told(told: Sequence[Mapping[str, object]], words: str) -> None:
    async with asyncio.timeout(20):
        while not _count(told, words):
            await asyncio.sleep(0.02)


async def test_what_lasts_is_shown_and_told_once(store: Store, pool: Pool) -> None:
    await store([1, 3])
    registry, stop = CollectorRegistry(), asyncio.Event()
    shown = Metrics(registry).oddities
    with capture_logs() as told:
        looking = asyncio.create_task(sequences.watch(pool, shown, every_s=0.02, stop=stop))
        await _until_told(told, "do not add up")
        assert registry.get_sample_value("ingress_sequence_missing") == 1
        assert registry.get_sample_value("ingress_devices_new") == 1

        await asyncio.sleep(0.2)
        stop.set()
        await looking

    assert _count(told, "do not add up") == 1


async def test_away_database_does_not_end_the_looking(settings: IngressSettings) -> None:
    away = Pool(settings.model_copy(update={"postgres_port": 1}), size=1)
    stop = asyncio.Event()
    shown = Metrics(CollectorRegistry()).oddities
    with capture_logs() as told:
        looking = asyncio.create_task(sequences.watch(away, shown, every_s=0.02, stop=stop))
        await _until_told(told, "not looked")
        stop.set()

        await looking


async def test_only_the_owner_and_analysts_see_the_views(connect_as: Connect) -> None:
    analyst, notifier = await connect_as("analyst"), await connect_as("maskwatch_notifier")
    for view in ("device_boot", "sequence_gap"):
        assert await analyst.fetch(f"SELECT * FROM {view}") == []  # noqa: S608 - our own names
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            await notifier.fetch(f"SELECT * FROM {view}")  # noqa: S608
