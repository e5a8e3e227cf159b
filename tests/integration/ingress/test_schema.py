import asyncio
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from pathlib import Path
from urllib.parse import urlsplit
from uuid import uuid4

import asyncpg
import pytest
from devstack.postgres import Postgres
from devstack.service import Service
from ingress.archive import Archive
from ingress.settings import IngressSettings
from maskwatch_proto.alert import Alert
from maskwatch_runtime.clock import SystemClock
from maskwatch_runtime.postgres import Pool

Connect = Callable[[str], Awaitable[asyncpg.Connection]]
_NOT_FOR_ANALYSTS = (
    "alert",
    "image",
    "device",
    "face_detection_model",
    "mask_classification_model",
    "notification_request",
    "device_event",
    "event_notification_request",
    "ingress_schema_version",
)


@pytest.fixture
async def alert(settings: IngressSettings, make_alert: Callable[..., Alert]) -> Alert:
    """An alert that lies in the archive."""
    pool = Pool(settings, size=1)
    alert = make_alert()
    await Archive(pool, SystemClock()).insert([alert])
    await pool.close()
    return alert


async def test_original_notifier_reads_and_marks(alert: Alert, connect_as: Connect) -> None:
    notifier = await connect_as("maskwatch_notifier")
    number = await notifier.fetchval("SELECT max(id) FROM alert")

    event_time = await notifier.fetchval("SELECT event_time FROM alert WHERE id = $1", number)
    status = await notifier.execute(
        "UPDATE alert SET notification_sent = true WHERE id = $1", number
    )

    assert event_time == alert.event_time
    assert status == "UPDATE 1"
    assert await notifier.fetchval("SELECT notification_sent FROM alert WHERE id = $1", number)


async def test_original_ingress_inserts(alert: Alert, connect_as: Connect) -> None:
    ingress = await connect_as("maskwatch_ingress")
    image_id = await ingress.fetchval(
        "INSERT INTO image (format, width, height, data) VALUES ($1, $2, $3, $4) RETURNING id",
        "jpeg",
        640,
        480,
        b"picture",
    )

    # Its texts are PostgreSQL's to read, as Go's driver sends them.
    alert_id = await ingress.fetchval(
        "INSERT INTO alert"
        " (event_time, received_at, device_id, face_model_id, mask_model_id, image_id)"
        " VALUES ('2026-01-02 03:04:05.678900', now(), 'door-1', 'f1', 'm1', $1) RETURNING id",
        image_id,
    )

    (row,) = await ingress.fetch("SELECT * FROM alert WHERE id = $1", alert_id)
    assert row["event_time"] == datetime(2026, 1, 2, 3, 4, 5, 678_900, tzinfo=UTC)
    assert row["event_id"] != alert.event_id
    overview = await connect_as("analyst")
    assert await overview.fetchval(
        "SELECT (label, has_picture) = ('no_mask', true) FROM alert_overview WHERE id = $1",
        alert_id,
    )


async def test_pictures_are_stored_uncompressed_out_of_line(archived: asyncpg.Connection) -> None:
    storage = await archived.fetchval(
        "SELECT attstorage FROM pg_attribute WHERE attrelid = 'image'::regclass"
        " AND attname = 'data'"
    )
    assert storage == b"e"


@pytest.mark.parametrize("table", _NOT_FOR_ANALYSTS)
async def test_analyst_reads_no_table(table: str, connect_as: Connect) -> None:
    analyst = await connect_as("analyst")

    with pytest.raises(asyncpg.InsufficientPrivilegeError):
        await analyst.fetch(f"SELECT * FROM {table}")  # noqa: S608 - our own names


async def test_no_view_shows_a_picture(connect_as: Connect) -> None:
    analyst = await connect_as("analyst")

    columns = await analyst.fetch(
        "SELECT table_name, data_type FROM information_schema.columns WHERE table_schema = 'public'"
    )

    assert {column["table_name"] for column in columns} == {
        "alert_overview",
        "alerts_per_day",
        "alerts_per_camera",
        "device_overview",
        "compliance",
        "episode",
        "camera_outage",
        "device_health",
        "device_boot",
        "sequence_gap",
    }
    assert "bytea" not in {column["data_type"] for column in columns}


@pytest.mark.parametrize(
    "statement",
    [
        "INSERT INTO alert_overview (id) VALUES (1)",
        "UPDATE device_overview SET device_type = 'x'",
        "DELETE FROM device_overview",
        "DROP VIEW alert_overview",
        "CREATE TABLE public.mine (id int)",
        "CREATE VIEW public.mine AS SELECT 1",
        "SET ROLE maskwatch_ingress",
    ],
)
async def test_analyst_changes_nothing(
    statement: str, alert: Alert, connect_as: Connect, archived: asyncpg.Connection
) -> None:
    analyst = await connect_as("analyst")

    with pytest.raises(
        (asyncpg.InsufficientPrivilegeError, asyncpg.ObjectNotInPrerequisiteStateError)
    ):
        await analyst.execute(statement)

    assert await archived.fetchval("SELECT event_id FROM alert_overview") == alert.event_id


@pytest.mark.parametrize(
    "statement",
    [
        "DROP TABLE alert CASCADE",
        "TRUNCATE alert CASCADE",
        "DELETE FROM alert",
        "DELETE FROM image",
        "DELETE FROM device_event",
        "UPDATE device_event SET detail = '{}'",
        "UPDATE alert SET notification_sent = true",
        "ALTER TABLE alert ADD COLUMN x int",
        "CREATE TABLE public.mine (id int)",
    ],
)
async def test_ingress_neither_drops_nor_rewrites(
    statement: str, alert: Alert, connect_as: Connect, archived: asyncpg.Connection
) -> None:
    ingress = await connect_as("maskwatch_ingress")

    with pytest.raises(asyncpg.InsufficientPrivilegeError):
        await ingress.execute(statement)

    assert await archived.fetchval("SELECT event_id FROM alert") == alert.event_id


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE alert SET probability = 0",
        "INSERT INTO device (id) VALUES ('x')",
        "DELETE FROM alert",
        "SELECT * FROM notification_request",
        "SELECT * FROM event_notification_request",
        "INSERT INTO device_event DEFAULT VALUES",
        "UPDATE device_event SET camera = ''",
    ],
)
async def test_notifier_changes_nothing_but_the_mark(statement: str, connect_as: Connect) -> None:
    notifier = await connect_as("maskwatch_notifier")

    with pytest.raises(asyncpg.InsufficientPrivilegeError):
        await notifier.execute(statement)


def _variables(dsn: str) -> dict[str, str]:
    address = urlsplit(dsn)
    return {
        "MASKWATCH_POSTGRES_HOST": address.hostname or "",
        "MASKWATCH_POSTGRES_PORT": str(address.port),
        "MASKWATCH_POSTGRES_DATABASE": address.path.lstrip("/"),
        "MASKWATCH_POSTGRES_USER": address.username or "",
        "MASKWATCH_POSTGRES_PASSWORD": address.password or "",
    }


async def test_migrating_again_changes_nothing(
    alert: Alert,
    database: str,
    archived: asyncpg.Connection,
    migrate: Callable[[str], None],
) -> None:
    await asyncio.to_thread(migrate, database)

    assert await archived.fetchval("SELECT event_id FROM alert") == alert.event_id


async def test_databases_of_one_cluster_migrate_side_by_side_and_one_twice(
    postgres_server: Postgres, tmp_path: Path
) -> None:
    names = [f"side_{uuid4().hex[:8]}" for _ in range(3)]
    addresses = [await postgres_server.create_database(name) for name in names]
    steps = [
        Service("ingress", tmp_path, _variables(address), label=f"step-{number}")
        for number, address in enumerate((*addresses, addresses[0]))
    ]

    await asyncio.gather(*(asyncio.to_thread(step.step, "migrate") for step in steps))

    for name, address in zip(names, addresses, strict=True):
        connection = await asyncpg.connect(address)
        versions = await connection.fetch("SELECT version_num FROM ingress_schema_version")
        zone = await connection.fetchval("SHOW timezone")
        await connection.close()
        assert [row["version_num"] for row in versions] == ["0008"]
        assert zone == "UTC"
        await postgres_server.drop_database(name)
