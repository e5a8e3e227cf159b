import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import UTC, datetime, timedelta
from uuid import UUID

import asyncpg
import pytest
from ingress import requests
from ingress.event_archive import EventArchive
from ingress.handler import DeviceEventHandler
from ingress.metrics import Metrics
from ingress.refusals import RowRefused
from ingress.requests import RequestSource
from ingress.settings import IngressSettings
from maskwatch_proto import event_contract
from maskwatch_proto.alert import Device, Label, Location
from maskwatch_proto.device_event import (
    CameraChanged,
    CameraPulse,
    CameraState,
    Compliance,
    DeviceEvent,
    EpisodeEnded,
    Happening,
    Heartbeat,
)
from maskwatch_runtime.clock import SystemClock
from maskwatch_runtime.health import Health
from maskwatch_runtime.kafka.message import Record
from maskwatch_runtime.postgres import Pool
from maskwatch_runtime.relay import Relay
from maskwatch_runtime.testing import FakeClock, FakePublisher
from prometheus_client import CollectorRegistry

MakeEvent = Callable[..., DeviceEvent]
Connect = Callable[[str], Awaitable[asyncpg.Connection]]
_AT = datetime(2026, 1, 2, 3, 0, tzinfo=UTC)
_EPISODE = UUID(int=77)
_HAPPENINGS: tuple[Happening, ...] = (
    EpisodeEnded(
        episode_id=_EPISODE,
        started_at=_AT,
        duration_s=12.5,
        label=Label.MASK,
        violated=True,
        mask_put_on_after_s=4.0,
    ),
    Compliance(
        window_start=_AT,
        window_s=900,
        observed_s=890.5,
        people=4,
        with_mask=2,
        without_mask=1,
        badly_worn=0,
        unsure=1,
    ),
    CameraChanged(state=CameraState.DOWN, reason="no frame for 10 s", since=_AT),
    Heartbeat(
        version="1.0",
        models=("a", "b"),
        uptime_s=60,
        cameras=(CameraPulse(name='"; DROP TABLE device_event; --', is_up=False, fps=0),),
    ),
)


@pytest.fixture
async def pool(settings: IngressSettings) -> AsyncIterator[Pool]:
    pool = Pool(settings, size=2)
    yield pool
    await pool.close()


@pytest.fixture
def archive(pool: Pool) -> EventArchive:
    return EventArchive(pool, FakeClock())


@pytest.fixture
async def source(settings: IngressSettings) -> AsyncIterator[RequestSource]:
    stream = Metrics(CollectorRegistry()).device_events
    source = RequestSource(settings, requests.DEVICE_EVENTS, stream)
    yield source
    await source.close()


def _changed(state: CameraState, *, minute: int, down_s: float = 0) -> CameraChanged:
    return CameraChanged(
        state=state, reason=state, since=_AT + timedelta(minutes=minute), down_s=down_s
    )


@pytest.mark.parametrize("happening", _HAPPENINGS, ids=lambda happening: happening.kind)
async def test_everything_an_event_says_is_archived(
    archive: EventArchive, archived: asyncpg.Connection, make_event: MakeEvent, happening: Happening
) -> None:
    event = make_event(happening)

    assert await archive.insert([event]) == 1

    (found,) = await archived.fetch("SELECT * FROM device_event")
    row = dict(found)
    assert row.pop("id") == 1
    assert row.pop("received_at") <= datetime.now(UTC)
    detail = json.loads(row.pop("detail"))
    assert detail == json.loads(happening.model_dump_json(exclude={"kind"}))
    assert row == {
        "event_id": event.event_id,
        "event_time": event.event_time,
        "device_id": "door-1",
        "camera": "north",
        "kind": happening.kind,
        "boot_id": "boot-1",
        "sequence": 301,
        "clock_quality": "synchronised",
    }


async def test_redelivery_leaves_the_same_rows_and_asks_once(
    archive: EventArchive, archived: asyncpg.Connection, make_event: MakeEvent
) -> None:
    events = [make_event(happening) for happening in _HAPPENINGS]

    assert await archive.insert(events) == 4
    assert await archive.insert(events) == 0
    assert await archive.insert([*events[::-1], make_event(_HAPPENINGS[3])]) == 1

    assert await archived.fetchval("SELECT count(*) FROM device_event") == 5
    asked = await archived.fetch(
        "SELECT kind FROM event_notification_request JOIN device_event"
        " ON device_event.id = device_event_id"
    )
    assert [row["kind"] for row in asked] == ["camera_changed"]


async def test_ids_rise_in_the_order_of_the_batch_whatever_the_clock_said(
    archive: EventArchive, archived: asyncpg.Connection, make_event: MakeEvent
) -> None:
    events = [
        make_event(
            _HAPPENINGS[3], sequence=number, event_time=_AT - timedelta(hours=number * 7 % 100)
        )
        for number in range(100)
    ]

    await archive.insert(events[:60])
    await archive.insert(events[40:])

    rows = await archived.fetch("SELECT sequence FROM device_event ORDER BY id")
    assert [row["sequence"] for row in rows] == [*range(100)]


async def test_device_nobody_knows_is_registered_and_its_place_is_kept(
    archive: EventArchive, pool: Pool, archived: asyncpg.Connection, make_event: MakeEvent
) -> None:
    await archive.insert([make_event(_HAPPENINGS[3])])
    # A process that knows nothing of the device, and an event that knows nothing of its place.
    again = EventArchive(pool, SystemClock())
    await again.insert([make_event(_HAPPENINGS[3], location=Location())])

    rows = await archived.fetch("SELECT id, type, longitude, latitude FROM device")
    assert [tuple(row) for row in rows] == [("door-1", "rpi4", 2.25, 48.75)]


async def test_device_that_was_deleted_is_registered_again(
    archive: EventArchive, archived: asyncpg.Connection, make_event: MakeEvent
) -> None:
    await archive.insert([make_event(_HAPPENINGS[3])])
    await archived.execute("DELETE FROM device_event; DELETE FROM device")

    assert await archive.insert([make_event(_HAPPENINGS[3])]) == 1


async def test_only_the_row_that_breaks_a_rule_is_rejected(
    archive: EventArchive, archived: asyncpg.Connection, make_event: MakeEvent
) -> None:
    await archived.execute("ALTER TABLE device_event ADD CONSTRAINT odd CHECK (camera <> 'bad')")
    events = [
        make_event(_HAPPENINGS[3], camera="bad" if number == 13 else "good", sequence=number)
        for number in range(40)
    ]
    handler = DeviceEventHandler(
        archive, Metrics(CollectorRegistry()), SystemClock(), on_archived=lambda: None
    )

    rejected = await handler.handle(
        [
            Record("device-event-topic", 0, offset, 0, None, event_contract.encode(event))
            for offset, event in enumerate(events)
        ]
    )

    assert [one.record.offset for one in rejected] == [13]
    rows = await archived.fetch("SELECT sequence FROM device_event ORDER BY id")
    assert [row["sequence"] for row in rows] == [number for number in range(40) if number != 13]
    with pytest.raises(RowRefused, match='"odd"'):
        await archive.insert([events[13]])


async def test_extremes_that_the_contract_allows_are_archived(
    archive: EventArchive, archived: asyncpg.Connection, make_event: MakeEvent
) -> None:
    widest = "\N{PILE OF POO}" * 500
    events = [
        make_event(_HAPPENINGS[3], event_time=datetime(1, 1, 1, tzinfo=UTC), sequence=2**63 - 1),
        make_event(
            _HAPPENINGS[1].model_copy(update={"window_start": datetime.max.replace(tzinfo=UTC)})
        ),
        make_event(CameraChanged(state=CameraState.UP, reason=widest, since=_AT), camera=widest),
        make_event(Heartbeat(uptime_s=1e9 - 1, disk_free_bytes=2**63 - 1, models=("'",) * 100)),
        make_event(_HAPPENINGS[0], device=Device(guid=widest), boot_id=widest, clock_quality=None),
    ]

    assert await archive.insert(events) == len(events)
    for view in ("compliance", "episode", "camera_outage", "device_health", "device_boot"):
        await archived.fetch(f"SELECT * FROM {view}")  # noqa: S608 - our own names


async def test_camera_that_changed_is_told_of_once_as_its_number(
    archive: EventArchive,
    source: RequestSource,
    archived: asyncpg.Connection,
    make_event: MakeEvent,
) -> None:
    await archive.insert([make_event(happening) for happening in _HAPPENINGS])
    down = await archived.fetchval("SELECT id FROM device_event WHERE kind = 'camera_changed'")
    publisher = FakePublisher()
    relay = Relay(source, publisher, Health(SystemClock()))

    assert await relay.drain(stop=_never()) == 1
    assert await relay.drain(stop=_never()) == 0

    (message,) = publisher.messages
    assert (message.topic, message.key) == ("notify-event-topic", b"door-1")
    assert message.value == int(down).to_bytes(8, "little")


async def test_request_on_an_event_that_is_refused_is_set_aside(
    archive: EventArchive,
    source: RequestSource,
    archived: asyncpg.Connection,
    make_event: MakeEvent,
) -> None:
    await archive.insert([make_event(_HAPPENINGS[2])])
    (entry,) = await source.pending(after=0)

    await source.refuse(entry, "too large")

    assert await source.pending(after=0) == []
    kept = await archived.fetchval("SELECT refused_reason FROM event_notification_request")
    assert kept == "too large"


async def test_parts_of_a_quarter_add_up_and_unsure_ones_are_no_denominator(
    archive: EventArchive, connect_as: Connect, make_event: MakeEvent
) -> None:
    part = _HAPPENINGS[1]
    nobody = Compliance(
        window_start=_AT,
        window_s=900,
        observed_s=900,
        people=1,
        with_mask=0,
        without_mask=0,
        badly_worn=0,
        unsure=1,
    )
    await archive.insert([make_event(part), make_event(part), make_event(nobody, camera="south")])

    analyst = await connect_as("analyst")
    rows = await analyst.fetch("SELECT * FROM compliance ORDER BY camera")

    assert [tuple(row) for row in rows] == [
        ("door-1", "north", _AT, 1781, 8, 4, 2, 0, 2, pytest.approx(2 / 3)),
        ("door-1", "south", _AT, 900, 1, 0, 0, 0, 1, None),
    ]


async def test_outages_are_pairs_and_the_last_may_be_open(
    archive: EventArchive, connect_as: Connect, make_event: MakeEvent
) -> None:
    told = (
        ("north", CameraState.UP, 0, 0),  # the first start
        ("north", CameraState.DOWN, 1, 0),
        ("south", CameraState.DOWN, 2, 0),
        ("north", CameraState.UP, 3, 121.5),
        ("south", CameraState.DOWN, 4, 0),  # the device was started anew
        ("south", CameraState.UP, 5, 0),
        ("south", CameraState.UP, 6, 0),
        ("north", CameraState.DOWN, 7, 0),
    )
    await archive.insert(
        [
            make_event(
                _changed(state, minute=minute, down_s=down_s),
                camera=camera,
                # The clock jumps about; the order in which the device stored them tells.
                event_time=_AT - timedelta(minutes=minute),
            )
            for camera, state, minute, down_s in told
        ]
    )

    analyst = await connect_as("analyst")
    rows = await analyst.fetch(
        "SELECT camera, reason, down_at, up_at, is_open, down_s FROM camera_outage"
        " ORDER BY camera, down_at"
    )

    def minute(number: int) -> datetime:
        return _AT + timedelta(minutes=number)

    assert [tuple(row)[:5] for row in rows] == [
        ("north", "down", minute(1), minute(3), False),
        ("north", "down", minute(7), None, True),
        ("south", "down", minute(2), minute(5), False),
    ]
    assert [rows[0]["down_s"], rows[2]["down_s"]] == [121.5, 180]
    assert rows[1]["down_s"] > 0


async def test_health_is_the_last_heartbeat_and_its_age_by_a_clock_that_is_believed(
    archive: EventArchive, connect_as: Connect, make_event: MakeEvent
) -> None:
    now = datetime.now(UTC)
    hot = Heartbeat(
        uptime_s=9, temperature_c=85.5, cameras=(CameraPulse(name="a", is_up=False, fps=0),) * 2
    )
    events = [
        make_event(_HAPPENINGS[3], event_time=now - timedelta(hours=3)),
        make_event(hot, event_time=now - timedelta(hours=2)),
        make_event(
            hot,
            device=Device(guid="doubtful"),
            event_time=datetime(1970, 1, 1, tzinfo=UTC),
            clock_quality="uncertain",
        ),
        make_event(hot, device=Device(guid="ahead"), event_time=now + timedelta(days=9)),
        make_event(_HAPPENINGS[2], device=Device(guid="mute")),
    ]
    await archive.insert(events)

    analyst = await connect_as("analyst")
    rows = {row["device_id"]: row for row in await analyst.fetch("SELECT * FROM device_health")}

    health = rows["door-1"]
    assert (health["temperature_c"], health["cameras"], health["cameras_down"]) == (85.5, 2, 2)
    assert health["age"] >= timedelta(hours=2)
    assert rows["doubtful"]["age"] < timedelta(minutes=5)
    assert rows["ahead"]["age"] < timedelta(minutes=5)
    assert rows["mute"]["heartbeat_at"] is rows["mute"]["age"] is None


async def test_views_tell_what_each_column_means(connect_as: Connect) -> None:
    analyst = await connect_as("analyst")

    silent = await analyst.fetch(
        "SELECT attrelid::regclass, attname FROM pg_attribute"
        " WHERE attrelid IN ('compliance'::regclass, 'episode'::regclass,"
        "   'camera_outage'::regclass, 'device_health'::regclass,"
        "   'device_boot'::regclass, 'sequence_gap'::regclass)"
        " AND col_description(attrelid, attnum) IS NULL"
        " AND attname NOT IN ('device_id', 'device_type', 'camera', 'episode_id')"
    )

    assert silent == []


def _never() -> "asyncio.Event":
    return asyncio.Event()
