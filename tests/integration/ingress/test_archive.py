import asyncio
from collections.abc import AsyncIterator, Callable
from datetime import UTC, datetime
from uuid import uuid4

import asyncpg
import pytest
from devstack.postgres import Postgres
from ingress.archive import Archive
from ingress.handler import AlertHandler
from ingress.metrics import Metrics
from ingress.refusals import RowRefused
from ingress.settings import IngressSettings
from maskwatch_proto import contract
from maskwatch_proto.alert import Alert, Device, FaceBox, Image, Location
from maskwatch_proto.alert import Model as ModelName
from maskwatch_runtime.clock import SystemClock
from maskwatch_runtime.errors import Misconfigured, Unavailable
from maskwatch_runtime.kafka.message import Record
from maskwatch_runtime.postgres import Pool
from maskwatch_runtime.testing import FakeClock
from prometheus_client import CollectorRegistry

MakeAlert = Callable[..., Alert]
_TABLES = (
    "alert",
    "image",
    "device",
    "face_detection_model",
    "mask_classification_model",
    "notification_request",
)


@pytest.fixture
async def pool(settings: IngressSettings) -> AsyncIterator[Pool]:
    pool = Pool(settings, size=3)
    yield pool
    await pool.close()


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
def archive(pool: Pool, clock: FakeClock) -> Archive:
    return Archive(pool, clock)


async def _counts(archived: asyncpg.Connection) -> dict[str, int]:
    return {table: await archived.fetchval(f"SELECT count(*) FROM {table}") for table in _TABLES}  # noqa: S608 - our own names


async def test_everything_an_alert_says_is_archived(
    archive: Archive, archived: asyncpg.Connection, make_alert: MakeAlert
) -> None:
    alert = make_alert()

    assert await archive.insert([alert]) == 1

    (found,) = await archived.fetch("SELECT * FROM alert")
    row = dict(found)
    number = row.pop("id")
    assert row.pop("received_at") <= datetime.now(UTC)
    assert row == {
        "event_time": alert.event_time,
        "notification_sent": False,
        "device_id": "door-1",
        "face_model_id": "f1",
        "mask_model_id": "m1",
        "image_id": number,
        "event_id": alert.event_id,
        "probability": 0.875,
        "label": "no_mask",
        "camera": "north",
        "longitude": 2.25,
        "latitude": 48.75,
        "face_left": 10.5,
        "face_top": 20,
        "face_right": 30,
        "face_bottom": 40,
        "episode_id": alert.episode_id,
        "runtime": "litert 2.3.0",
        "boot_id": "boot-1",
        "sequence": 300,
        "clock_quality": "synchronised",
        "episode_started_at": alert.episode_started_at,
    }
    (image,) = await archived.fetch("SELECT * FROM image")
    assert tuple(image) == (number, "jpg", 640, 480, alert.image.data)
    (request,) = await archived.fetch("SELECT alert_id, published_at FROM notification_request")
    assert tuple(request) == (number, None)


async def test_device_and_models_are_registered(
    archive: Archive, archived: asyncpg.Connection, make_alert: MakeAlert
) -> None:
    await archive.insert([make_alert()])

    (device,) = await archived.fetch(
        "SELECT type, enrolled_on, latitude, longitude, enrolled_on_text FROM device"
    )
    assert tuple(device) == ("rpi4", datetime(2025, 12, 31, 10), 48.75, 2.25, None)  # noqa: DTZ001
    for table, row in (
        ("face_detection_model", ("f1", "face", 0.5)),
        ("mask_classification_model", ("m1", "mask", 0.75)),
    ):
        (found,) = await archived.fetch(f"SELECT id, name, threshold FROM {table}")  # noqa: S608
        assert tuple(found) == row


async def test_redelivery_leaves_the_same_rows(
    archive: Archive, archived: asyncpg.Connection, make_alert: MakeAlert
) -> None:
    alerts = [make_alert() for _ in range(5)]
    assert await archive.insert(alerts) == 5
    before = await _counts(archived)

    assert await archive.insert(alerts) == 0
    assert await archive.insert([*alerts, make_alert()]) == 1

    after = await _counts(archived)
    assert {table: after[table] - before[table] for table in _TABLES} == {
        **dict.fromkeys(_TABLES, 0),
        "alert": 1,
        "image": 1,
        "notification_request": 1,
    }


async def test_alert_without_a_picture_has_no_image_row(
    archive: Archive, archived: asyncpg.Connection, make_alert: MakeAlert
) -> None:
    with_picture, without = make_alert(), make_alert(image=Image(format="jpg", width=1, height=1))

    await archive.insert([with_picture, without])

    rows = await archived.fetch(
        "SELECT event_id, image.id FROM alert LEFT JOIN image ON image.id = image_id"
    )
    found = {row["event_id"]: row["id"] is not None for row in rows}
    assert found == {with_picture.event_id: True, without.event_id: False}
    assert (await _counts(archived))["image"] == 1


async def test_batches_side_by_side_neither_deadlock_nor_repeat(
    settings: IngressSettings, archived: asyncpg.Connection, make_alert: MakeAlert
) -> None:
    alerts = [
        make_alert(device=Device(guid=f"door-{number % 7}"), camera=str(number))
        for number in range(200)
    ]
    pools = [Pool(settings, size=3) for _ in range(2)]
    archives = [Archive(pool, SystemClock()) for pool in pools]

    added = await asyncio.gather(
        *(
            archive.insert(batch)
            for archive in archives
            for batch in (alerts, alerts[::-1], alerts[100:], alerts[:150])
        )
    )
    for pool in pools:
        await pool.close()

    counts = await _counts(archived)
    assert sum(added) == len(alerts)
    assert counts["alert"] == counts["image"] == counts["notification_request"] == len(alerts)
    assert counts["device"] == 7


async def test_device_is_written_again_after_a_minute(
    archive: Archive, archived: asyncpg.Connection, make_alert: MakeAlert, clock: FakeClock
) -> None:
    await archive.insert([make_alert()])
    moved = make_alert(location=Location(longitude=3, latitude=4))
    first_seen_at = await archived.fetchval("SELECT first_seen_at FROM device")

    await archive.insert([moved])
    assert await archived.fetchval("SELECT longitude FROM device") == 2.25
    clock.advance(60)
    await archive.insert([make_alert(location=Location(longitude=3, latitude=4))])

    (device,) = await archived.fetch("SELECT * FROM device")
    assert device["longitude"] == 3
    assert device["first_seen_at"] == first_seen_at < device["last_seen_at"]


async def test_device_that_was_deleted_is_registered_again(
    archive: Archive, archived: asyncpg.Connection, make_alert: MakeAlert
) -> None:
    await archive.insert([make_alert()])
    await archived.execute("DELETE FROM notification_request; DELETE FROM alert")
    await archived.execute("DELETE FROM device")

    assert await archive.insert([make_alert()]) == 1
    assert (await _counts(archived))["device"] == 1


async def test_refused_row_leaves_nothing_behind(
    archive: Archive, archived: asyncpg.Connection, make_alert: MakeAlert
) -> None:
    await archived.execute("ALTER TABLE alert ADD CONSTRAINT odd CHECK (camera <> 'bad')")

    with pytest.raises(RowRefused, match='"odd"'):
        await archive.insert([make_alert(), make_alert(camera="bad")])

    assert set((await _counts(archived)).values()) == {0}
    # What was rolled back is not held for registered.
    assert await archive.insert([make_alert()]) == 1


async def test_only_the_row_that_breaks_a_rule_is_rejected(
    archive: Archive, archived: asyncpg.Connection, make_alert: MakeAlert
) -> None:
    await archived.execute("ALTER TABLE alert ADD CONSTRAINT odd CHECK (camera <> 'bad')")
    alerts = [make_alert(camera="bad" if number == 13 else "good") for number in range(40)]
    handler = AlertHandler(
        archive, Metrics(CollectorRegistry()), SystemClock(), on_archived=lambda: None
    )
    records = [
        Record("alert-topic", 0, offset, 0, None, contract.encode(alert))
        for offset, alert in enumerate(alerts)
    ]

    rejected = await handler.handle(records)

    assert [one.record.offset for one in rejected] == [13]
    assert '"odd"' in rejected[0].reason
    found = await archived.fetch("SELECT event_id FROM alert")
    assert {row["event_id"] for row in found} == {
        alert.event_id for alert in alerts if alert.camera == "good"
    }


async def test_extremes_that_the_contract_allows_are_archived(
    archive: Archive, archived: asyncpg.Connection, make_alert: MakeAlert
) -> None:
    largest = 3.4028234663852886e38  # of 32 bits
    alerts = [
        make_alert(event_time=datetime(1, 1, 1, tzinfo=UTC), sequence=2**63 - 1),
        make_alert(event_time=datetime(9999, 12, 31, 23, 59, 59, 999_999, tzinfo=UTC)),
        make_alert(face_box=FaceBox(left=-largest, top=1e-45, right=largest, bottom=0)),
        make_alert(device=Device(guid="\N{PILE OF POO}" * 500, type="\u202e" * 500)),
        make_alert(image=Image(data=b"\0" * 3_000_000), camera="'; DROP TABLE alert; --"),
        make_alert(face_model=ModelName(), mask_model=ModelName(), label=None, episode_id=None),
        make_alert(device=Device(guid="door-9", enrolled_on="0001-01-01T00:00:00+14:00")),
    ]

    assert await archive.insert(alerts) == len(alerts)
    assert await archived.fetchval("SELECT max(length(data)) FROM image") == 3_000_000
    assert await archived.fetchval("SELECT count(*) FROM alert_overview") == len(alerts)


async def test_database_without_tables_is_waited_for(
    settings: IngressSettings, postgres_server: Postgres, make_alert: MakeAlert
) -> None:
    name = f"empty_{uuid4().hex[:8]}"
    await postgres_server.create_database(name)
    pool = Pool(settings.model_copy(update={"postgres_database": name}), size=1)

    with pytest.raises(Unavailable, match="migrations"):
        await Archive(pool, SystemClock()).insert([make_alert()])

    await pool.close()
    await postgres_server.drop_database(name)


async def test_user_without_the_role_is_told(
    settings: IngressSettings, make_alert: MakeAlert
) -> None:
    pool = Pool(settings.model_copy(update={"postgres_user": "analyst_user"}), size=1)

    with pytest.raises(Misconfigured, match="MASKWATCH_POSTGRES_USER"):
        await Archive(pool, SystemClock()).insert([make_alert()])

    await pool.close()
