"""`alert` has no foreign keys: no alert is without its device and models all the same."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable

import asyncpg
import pytest
import sqlalchemy
from alembic import command
from alembic.config import Config
from ingress import app
from ingress.archive import Archive
from ingress.handler import AlertHandler
from ingress.metrics import Metrics
from ingress.settings import IngressSettings
from maskwatch_proto import contract
from maskwatch_proto.alert import Alert, Device, Model
from maskwatch_runtime.clock import SystemClock
from maskwatch_runtime.kafka.message import Record
from maskwatch_runtime.postgres import Pool
from maskwatch_runtime.testing import FakeClock
from prometheus_client import CollectorRegistry

from faults.end_state import ORPHANS

MakeAlert = Callable[..., Alert]
Connect = Callable[[str], Awaitable[asyncpg.Connection]]
_DEADLINE_S = 10.0
_PARENTS = ("device", "face_detection_model", "mask_classification_model")
_WAITING = """
SELECT EXISTS (SELECT FROM pg_stat_activity
WHERE datname = current_database() AND wait_event_type = 'Lock' AND query LIKE $1)
"""
_FOREIGN_KEYS = """
SELECT conrelid::regclass::text, confrelid::regclass::text
FROM pg_constraint WHERE contype = 'f' ORDER BY 1, 2
"""


@pytest.fixture
async def archive(settings: IngressSettings) -> AsyncIterator[Archive]:
    """One whose clock stands still: it registers nothing a second time."""
    pool = Pool(settings, size=2)
    yield Archive(pool, FakeClock())
    await pool.close()


async def _erase_alerts(connection: asyncpg.Connection) -> None:
    await connection.execute("DELETE FROM notification_request; DELETE FROM image")
    await connection.execute("DELETE FROM alert")


async def _foreign_keys(connection: asyncpg.Connection) -> list[tuple[str, str]]:
    """Return which table refers to which."""
    return [(row[0], row[1]) for row in await connection.fetch(_FOREIGN_KEYS)]


def _migrate(dsn: str, step: Callable[[Config, str], None], version: str) -> None:
    config = Config()
    config.set_main_option("script_location", str(app.MIGRATIONS))
    engine = sqlalchemy.create_engine(dsn.replace("postgresql:", "postgresql+psycopg:", 1))
    with engine.begin() as connection:
        config.attributes.update(connection=connection, version_table=app.VERSION_TABLE)
        step(config, version)
    engine.dispose()


async def _until_waiting(connection: asyncpg.Connection, statement: str) -> None:
    """Return once somebody waits for a lock with a statement like this."""
    async with asyncio.timeout(_DEADLINE_S):
        while not await connection.fetchval(_WAITING, statement):
            await asyncio.sleep(0.01)


async def test_mixed_batches_leave_no_orphans(
    archive: Archive, archived: asyncpg.Connection, make_alert: MakeAlert
) -> None:
    await archived.execute("ALTER TABLE alert ADD CONSTRAINT odd CHECK (camera <> 'bad')")
    handler = AlertHandler(
        archive, Metrics(CollectorRegistry()), SystemClock(), on_archived=lambda: None
    )
    known = [contract.encode(make_alert()) for _ in range(5)]
    unknown = [
        contract.encode(make_alert(device=Device(guid=f"door-{n}"), face_model=Model(guid=f"f{n}")))
        for n in range(2, 9)
    ]
    # Refused, and the first that is heard of its device.
    refused = contract.encode(make_alert(camera="bad", device=Device(guid="door-9")))
    first = [*known, known[0], b"poison", refused]
    batches = {(): 0, (*first,): 2, (*first, *unknown): 2, (*unknown, *unknown[:3]): 0}

    for batch, rejected in batches.items():
        records = [
            Record("alert-topic", 0, offset, 0, None, value) for offset, value in enumerate(batch)
        ]
        assert len(await handler.handle(records)) == rejected

    assert await archived.fetchval("SELECT count(*) FROM alert") == len(known) + len(unknown)
    assert not await archived.fetch(ORPHANS)


@pytest.mark.parametrize("table", _PARENTS)
async def test_what_was_deleted_is_registered_again(
    table: str, archive: Archive, archived: asyncpg.Connection, make_alert: MakeAlert
) -> None:
    alerts = [make_alert(), make_alert(device=Device(guid="door-2"))]
    await archive.insert(alerts)
    await _erase_alerts(archived)
    await archived.execute(f"DELETE FROM {table}")  # noqa: S608 - our own names

    assert await archive.insert(alerts) == 2

    assert not await archived.fetch(ORPHANS)
    assert await archived.fetchval("SELECT count(*) FROM notification_request") == 2


@pytest.mark.parametrize("table", _PARENTS)
@pytest.mark.parametrize("statement", ["DELETE FROM {}", "UPDATE {} SET id = 'other'"])
async def test_what_alerts_refer_to_stays(
    table: str,
    statement: str,
    archive: Archive,
    archived: asyncpg.Connection,
    make_alert: MakeAlert,
) -> None:
    await archive.insert([make_alert()])

    with pytest.raises(asyncpg.ForeignKeyViolationError, match="delete them first"):
        await archived.execute(statement.format(table))

    assert not await archived.fetch(ORPHANS)


@pytest.mark.parametrize("table", _PARENTS)
async def test_what_no_alert_refers_to_may_go(
    table: str, archive: Archive, archived: asyncpg.Connection, make_alert: MakeAlert
) -> None:
    await archive.insert([make_alert()])
    await _erase_alerts(archived)

    assert await archived.execute(f"UPDATE {table} SET id = 'other'") == "UPDATE 1"  # noqa: S608
    assert await archived.execute(f"DELETE FROM {table}") == "DELETE 1"  # noqa: S608


async def test_an_id_that_is_written_as_it_was_is_no_change(
    archive: Archive, archived: asyncpg.Connection, make_alert: MakeAlert
) -> None:
    await archive.insert([make_alert()])

    assert await archived.execute("UPDATE device SET id = id, type = 'other'") == "UPDATE 1"


async def test_deletion_waits_for_a_batch_that_is_being_written_and_finds_it(
    archive: Archive, archived: asyncpg.Connection, connect_as: Connect, make_alert: MakeAlert
) -> None:
    await archive.insert([make_alert()])
    await _erase_alerts(archived)
    owner, watcher = await connect_as("postgres"), await connect_as("postgres")

    async with archived.transaction():  # holds the batch between its alert and its picture
        await archived.execute("LOCK TABLE image IN SHARE ROW EXCLUSIVE MODE")
        writing = asyncio.create_task(archive.insert([make_alert()]))
        await _until_waiting(watcher, "%INSERT INTO image%")
        deleting = asyncio.create_task(owner.execute("DELETE FROM device"))
        await _until_waiting(watcher, "DELETE FROM device")

    assert await writing == 1
    with pytest.raises(asyncpg.ForeignKeyViolationError):
        await deleting
    assert not await archived.fetch(ORPHANS)


async def test_batch_waits_for_a_deletion_and_registers_anew(
    archive: Archive, archived: asyncpg.Connection, connect_as: Connect, make_alert: MakeAlert
) -> None:
    await archive.insert([make_alert()])
    await _erase_alerts(archived)
    watcher = await connect_as("postgres")

    async with archived.transaction():
        await archived.execute("DELETE FROM device")
        writing = asyncio.create_task(archive.insert([make_alert()]))
        await _until_waiting(watcher, "%INSERT INTO alert%")

    assert await writing == 1
    assert not await archived.fetch(ORPHANS)


async def test_devices_that_are_deleted_all_the_time_leave_no_orphans(
    archive: Archive, archived: asyncpg.Connection, connect_as: Connect, make_alert: MakeAlert
) -> None:
    devices = [Device(guid=f"door-{number}") for number in range(4)]
    batches = [[make_alert(device=device) for device in devices] for _ in range(60)]
    owner, is_over = await connect_as("postgres"), asyncio.Event()

    async def delete() -> int:
        deleted = 0
        while not is_over.is_set():
            for device in devices:
                await owner.execute("DELETE FROM alert WHERE device_id = $1", device.guid)
                with contextlib.suppress(asyncpg.ForeignKeyViolationError):
                    status = await owner.execute("DELETE FROM device WHERE id = $1", device.guid)
                    deleted += status == "DELETE 1"
        return deleted

    deleting = asyncio.create_task(delete())
    try:
        for one, other in zip(batches[::2], batches[1::2], strict=True):
            added = await asyncio.gather(archive.insert(one), archive.insert(other))
            assert sum(added) == 2 * len(devices)
            assert not await archived.fetch(ORPHANS)
    finally:
        is_over.set()
        deleted = await deleting

    assert deleted > 0


async def test_only_alert_has_lost_its_keys_and_the_way_down_brings_them_back(
    database: str, archive: Archive, archived: asyncpg.Connection, make_alert: MakeAlert
) -> None:
    await archive.insert([make_alert()])
    ours = [("device_event", "device")]
    assert await _foreign_keys(archived) == ours

    await asyncio.to_thread(_migrate, database, command.downgrade, "0007")
    assert await _foreign_keys(archived) == [*(("alert", table) for table in _PARENTS), *ours]
    assert await archive.insert([make_alert()]) == 1  # what comes new runs on the older schema
    assert await archived.execute("UPDATE device SET type = 'other'") == "UPDATE 1"

    await asyncio.to_thread(_migrate, database, command.upgrade, "0008")
    assert await _foreign_keys(archived) == ours
    assert await archived.fetchval("SELECT count(*) FROM alert_overview") == 2
