import asyncio
from collections.abc import AsyncIterator
from uuid import uuid4

import asyncpg
import pytest
import sqlalchemy
from alembic import command
from alembic.config import Config
from devstack.postgres import Postgres
from notifier import app

# What a notifier of the version before 0002 enters.
_ENTER = """
INSERT INTO delivery (alert_id, recipient, state, device_id, camera, event_time, message_id,
    further, further_since, next_try_at, deadline)
VALUES ($1, $2, 'pending', 'door-1', 'Gate 3', now(), '<m>', 0, NULL, now(), now())
ON CONFLICT DO NOTHING
"""


def _upgrade(dsn: str, revision: str) -> None:
    engine = sqlalchemy.create_engine(dsn.replace("postgresql:", "postgresql+psycopg:", 1))
    config = Config()
    config.set_main_option("script_location", str(app.MIGRATIONS))
    with engine.begin() as connection:
        config.attributes.update(connection=connection, version_table=app.VERSION_TABLE)
        command.upgrade(config, revision)
    engine.dispose()


@pytest.fixture
async def upgraded(postgres_server: Postgres) -> AsyncIterator[asyncpg.Connection]:
    """A ledger with two rows of the first version, brought up to date."""
    name = f"ledger_{uuid4().hex[:8]}"
    dsn = await postgres_server.create_database(name)
    await asyncio.to_thread(_upgrade, dsn, "0001")
    connection = await asyncpg.connect(dsn)
    for recipient in ("ann@example.org", "bob@example.org"):
        await connection.execute(_ENTER, 1, recipient)
    await connection.execute("UPDATE delivery SET state = 'sent' WHERE recipient LIKE 'bob%'")
    await asyncio.to_thread(_upgrade, dsn, "head")
    yield connection
    await connection.close()
    await postgres_server.drop_database(name)


async def test_rows_of_the_version_before_are_kept(upgraded: asyncpg.Connection) -> None:
    rows = await upgraded.fetch("SELECT * FROM delivery ORDER BY recipient")

    assert [(row["alert_id"], row["recipient"], row["state"]) for row in rows] == [
        (1, "ann@example.org", "pending"),
        (1, "bob@example.org", "sent"),
    ]
    assert len({row["id"] for row in rows}) == 2
    assert {row["device_event_id"] for row in rows} == {None}


async def test_replica_of_the_version_before_goes_on_entering(
    upgraded: asyncpg.Connection,
) -> None:
    await upgraded.execute(_ENTER, 1, "ann@example.org")
    await upgraded.execute(_ENTER, 2, "ann@example.org")

    rows = await upgraded.fetch("SELECT alert_id, count(*) FROM delivery GROUP BY 1 ORDER BY 1")
    assert [tuple(row) for row in rows] == [(1, 2), (2, 1)]


@pytest.mark.parametrize("ids", [(None, None), (7, 7)])
async def test_delivery_belongs_to_an_alert_or_to_an_event(
    upgraded: asyncpg.Connection, ids: tuple[int | None, int | None]
) -> None:
    with pytest.raises(asyncpg.CheckViolationError):
        await upgraded.execute(
            """
            INSERT INTO delivery (alert_id, device_event_id, recipient, state, device_id, camera,
                event_time, message_id, further, deadline)
            VALUES ($1, $2, 'ann@example.org', 'pending', 'd', 'c', now(), '<m>', 0, now())
            """,
            *ids,
        )
