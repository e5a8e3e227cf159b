import asyncio
import time
from collections.abc import AsyncIterator, Callable

import asyncpg
import pytest
from ingress import requests
from ingress.archive import Archive
from ingress.metrics import Metrics
from ingress.requests import RequestSource
from ingress.settings import IngressSettings
from maskwatch_proto import notification
from maskwatch_proto.alert import Alert
from maskwatch_runtime.clock import SystemClock
from maskwatch_runtime.errors import Unavailable
from maskwatch_runtime.health import Health
from maskwatch_runtime.postgres import Pool
from maskwatch_runtime.relay import Relay
from maskwatch_runtime.retry import Backoff
from maskwatch_runtime.testing import FakePublisher
from prometheus_client import CollectorRegistry

MakeSource = Callable[[], RequestSource]


@pytest.fixture
async def archive(settings: IngressSettings) -> AsyncIterator[Archive]:
    pool = Pool(settings, size=2)
    yield Archive(pool, SystemClock())
    await pool.close()


@pytest.fixture
async def make_source(settings: IngressSettings) -> AsyncIterator[MakeSource]:
    """Makes the source of one replica."""
    sources: list[RequestSource] = []

    def make() -> RequestSource:
        sources.append(_source(settings))
        return sources[-1]

    yield make
    for source in sources:
        await source.close()


def _source(settings: IngressSettings) -> RequestSource:
    return RequestSource(settings, requests.ALERTS, Metrics(CollectorRegistry()).alerts)


@pytest.fixture
def source(make_source: MakeSource) -> RequestSource:
    return make_source()


async def _numbers(archived: asyncpg.Connection) -> list[int]:
    rows = await archived.fetch("SELECT alert_id FROM notification_request ORDER BY id")
    return [row["alert_id"] for row in rows]


async def test_empty_archive_asks_for_nothing(source: RequestSource) -> None:
    assert await source.pending(after=0) == []


async def test_every_new_alert_is_asked_for_once(
    archive: Archive,
    source: RequestSource,
    archived: asyncpg.Connection,
    make_alert: Callable[..., Alert],
) -> None:
    alerts = [make_alert() for _ in range(3)]
    await archive.insert(alerts)
    await archive.insert(alerts)

    entries = await source.pending(after=0)

    numbers = [notification.decode(entry.message.value) for entry in entries]
    assert numbers == await _numbers(archived)
    assert {entry.message.key for entry in entries} == {b"door-1"}
    ids = {dict(entry.message.headers)["ce_id"].decode() for entry in entries}
    assert ids == {str(alert.event_id) for alert in alerts}


async def test_marked_requests_are_never_read_again(
    archive: Archive,
    source: RequestSource,
    archived: asyncpg.Connection,
    make_alert: Callable[..., Alert],
) -> None:
    await archive.insert([make_alert() for _ in range(3)])
    first, second, third = await source.pending(after=0)

    await source.mark_sent([first.id, third.id])

    assert [entry.id for entry in await source.pending(after=0)] == [second.id]
    assert (
        await archived.fetchval(
            "SELECT count(*) FROM notification_request WHERE published_at IS NOT NULL"
        )
        == 2
    )


async def test_requests_are_read_in_bounded_batches(
    archive: Archive, source: RequestSource, make_alert: Callable[..., Alert]
) -> None:
    await archive.insert([make_alert() for _ in range(501)])

    first = await source.pending(after=0)
    second = await source.pending(after=first[-1].id)

    assert (len(first), len(second)) == (500, 1)
    assert second[0].id > first[-1].id


async def test_refused_request_is_set_aside_with_the_reason(
    archive: Archive,
    source: RequestSource,
    archived: asyncpg.Connection,
    make_alert: Callable[..., Alert],
) -> None:
    await archive.insert([make_alert()])
    (entry,) = await source.pending(after=0)

    await source.refuse(entry, "too large")

    assert await source.pending(after=0) == []
    assert await archived.fetchval("SELECT refused_reason FROM notification_request") == "too large"


async def test_reading_and_marking_side_by_side_do_not_disturb_each_other(
    archive: Archive, source: RequestSource, make_alert: Callable[..., Alert]
) -> None:
    await archive.insert([make_alert() for _ in range(4)])
    first, second, *rest = await source.pending(after=0)

    _, following, _ = await asyncio.gather(
        source.mark_sent([first.id]),
        source.pending(after=second.id),
        source.refuse(second, "too large"),
    )

    assert [entry.id for entry in following] == [entry.id for entry in rest]


async def test_one_replica_publishes_and_another_takes_over(
    archive: Archive, make_source: MakeSource, make_alert: Callable[..., Alert]
) -> None:
    await archive.insert([make_alert()])
    first, second = make_source(), make_source()

    assert len(await first.pending(after=0)) == 1
    assert await second.pending(after=0) == []
    await first.close()
    assert len(await second.pending(after=0)) == 1


async def test_replica_that_archived_wakes_the_one_that_publishes(make_source: MakeSource) -> None:
    publishing, other = make_source(), make_source()
    await publishing.pending(after=0)
    waiting = asyncio.create_task(publishing.changed(timeout_s=30))
    await asyncio.sleep(0)

    other.wake()
    await other.changed(timeout_s=30)
    await other.pending(after=0)

    async with asyncio.timeout(5):
        await waiting


async def test_waiting_ends_at_its_timeout(source: RequestSource) -> None:
    async with asyncio.timeout(5):
        await source.changed(timeout_s=0.01)


async def test_wake_before_the_wait_is_not_lost(source: RequestSource) -> None:
    source.wake()

    async with asyncio.timeout(5):
        await source.changed(timeout_s=30)


async def test_lost_connection_is_unavailable_and_the_next_try_works(
    archive: Archive,
    source: RequestSource,
    archived: asyncpg.Connection,
    make_alert: Callable[..., Alert],
) -> None:
    await archive.insert([make_alert()])
    await source.pending(after=0)
    await archived.execute(
        "SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity"
        " WHERE usename = 'maskwatch_ingress_user' AND datname = current_database()"
    )

    with pytest.raises(Unavailable):
        await source.pending(after=0)
    assert len(await source.pending(after=0)) == 1


async def test_request_is_published_within_milliseconds_of_the_commit(
    archive: Archive, source: RequestSource, make_alert: Callable[..., Alert]
) -> None:
    publisher, stop = FakePublisher(), asyncio.Event()
    relay = Relay(source, publisher, Health(SystemClock()), backoff=Backoff(initial_s=0, cap_s=0))
    running = asyncio.create_task(relay.run(stop))
    delays_ms = []
    for count in range(1, 21):
        await archive.insert([make_alert()])
        source.wake()
        began_s = time.perf_counter()
        while len(publisher.messages) < count:
            await asyncio.sleep(0.0005)
        delays_ms.append(1000 * (time.perf_counter() - began_s))
    stop.set()
    await running

    # A poll each second would give 500 on average.
    assert sorted(delays_ms)[10] < 50


async def test_relay_leaves_nothing_and_repeats_nothing(
    archive: Archive,
    source: RequestSource,
    archived: asyncpg.Connection,
    make_alert: Callable[..., Alert],
) -> None:
    await archive.insert([make_alert() for _ in range(1200)])
    publisher = FakePublisher()

    sent = await Relay(source, publisher, Health(SystemClock())).drain(asyncio.Event())

    assert sent == 1200
    published = [notification.decode(message.value) for message in publisher.messages]
    assert published == await _numbers(archived)
    assert await source.pending(after=0) == []
