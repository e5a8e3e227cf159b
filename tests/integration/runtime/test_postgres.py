import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from urllib.parse import urlsplit

import asyncpg
import pytest
from devstack.postgres import Postgres
from maskwatch_runtime import migrations, postgres
from maskwatch_runtime.errors import Misconfigured, Unavailable
from maskwatch_runtime.postgres import Pool
from maskwatch_runtime.settings import PostgresSettings
from pydantic import SecretStr

from devstack import ports


@pytest.fixture
def database_template() -> str:
    return "template1"


@pytest.fixture
def settings(database: str) -> PostgresSettings:
    address = urlsplit(database)
    return PostgresSettings(
        postgres_host=address.hostname or "",
        postgres_port=address.port or 0,
        postgres_database=address.path.lstrip("/"),
        postgres_user=address.username or "",
        postgres_password=SecretStr(address.password or ""),
        postgres_tls="disable",
        postgres_timeout_s=2.0,
    )


@pytest.fixture
async def pool(settings: PostgresSettings) -> AsyncIterator[Pool]:
    pool = Pool(settings, size=2)
    yield pool
    await pool.close()


async def _ask(pool: Pool, statement: str) -> object:
    async with pool.connection() as connection:
        return await connection.fetchval(statement)


async def test_connection_is_lent(pool: Pool) -> None:
    assert await _ask(pool, "SELECT 7") == 7


async def test_closing_what_was_never_opened_is_nothing(settings: PostgresSettings) -> None:
    await Pool(settings, size=1).close()


async def test_server_that_is_away_is_unavailable_and_found_again(
    pool: Pool, postgres_server: Postgres
) -> None:
    assert await _ask(pool, "SELECT 1") == 1
    await asyncio.to_thread(postgres_server.stop)
    try:
        for _ in range(3):
            with pytest.raises(Unavailable):
                await _ask(pool, "SELECT 1")
    finally:
        await asyncio.to_thread(postgres_server.start)

    async with asyncio.timeout(20):
        while True:
            try:
                assert await _ask(pool, "SELECT 1") == 1
                break
            except Unavailable:
                continue


async def test_frozen_server_is_unavailable_within_the_timeout(
    pool: Pool, postgres_server: Postgres
) -> None:
    assert await _ask(pool, "SELECT 1") == 1
    postgres_server.pause()
    try:
        async with asyncio.timeout(10):
            with pytest.raises(Unavailable):
                await _ask(pool, "SELECT 1")
    finally:
        postgres_server.resume()
    assert await _ask(pool, "SELECT 2") == 2


async def test_server_that_never_was_is_unavailable(settings: PostgresSettings) -> None:
    (port,) = ports.free(1)
    elsewhere = settings.model_copy(update={"postgres_port": port})

    with pytest.raises(Unavailable):
        await _ask(Pool(elsewhere, size=1), "SELECT 1")
    with pytest.raises(Unavailable):
        await postgres.connect(elsewhere)


@pytest.mark.parametrize(
    "change",
    [
        {"postgres_password": SecretStr("wrong")},
        {"postgres_user": "nobody-of-this-name"},
        {"postgres_database": "nothing-of-this-name"},
    ],
    ids=lambda change: next(iter(change)),
)
async def test_refused_login_names_the_settings(
    settings: PostgresSettings, change: dict[str, object]
) -> None:
    with pytest.raises(Misconfigured, match="MASKWATCH_POSTGRES_USER") as caught:
        await _ask(Pool(settings.model_copy(update=change), size=1), "SELECT 1")

    assert "wrong" not in str(caught.value)


async def test_statement_that_takes_too_long_costs_its_connection(pool: Pool) -> None:
    before = await _ask(pool, "SELECT pg_backend_pid()")

    with pytest.raises(Unavailable):
        await _ask(pool, "SELECT pg_sleep(30)")

    assert await _ask(pool, "SELECT pg_backend_pid()") != before


async def test_killed_session_is_unavailable_and_its_transaction_gone(
    pool: Pool, database: str
) -> None:
    killer = await asyncpg.connect(database)
    await killer.execute("CREATE TABLE kept (id int)")

    async def write() -> None:
        async with pool.connection() as connection, connection.transaction():
            await connection.execute("INSERT INTO kept VALUES (1)")
            pid = await connection.fetchval("SELECT pg_backend_pid()")
            await killer.execute("SELECT pg_terminate_backend($1)", pid)
            await connection.execute("INSERT INTO kept VALUES (2)")

    with pytest.raises(Unavailable):
        await write()

    assert await killer.fetchval("SELECT count(*) FROM kept") == 0
    await killer.close()


async def test_connection_that_cannot_write_is_not_lent_again(pool: Pool) -> None:
    async with pool.connection() as connection:
        await connection.execute("SET default_transaction_read_only = on")  # an old primary
        old = connection.get_server_pid()

    with pytest.raises(Unavailable, match="SQLSTATE 25006"):
        await _ask(pool, "CREATE TABLE refused (id int)")

    async with pool.connection() as connection:
        assert connection.get_server_pid() != old
        await connection.execute("CREATE TABLE taken (id int)")


@pytest.mark.parametrize(
    "statement",
    [
        "DO $$ BEGIN RAISE EXCEPTION USING ERRCODE = 'deadlock_detected'; END $$",
        "DO $$ BEGIN RAISE EXCEPTION USING ERRCODE = 'serialization_failure'; END $$",
        "DO $$ BEGIN RAISE EXCEPTION USING ERRCODE = 'disk_full'; END $$",
        "DO $$ BEGIN RAISE EXCEPTION USING ERRCODE = 'too_many_connections'; END $$",
        "DO $$ BEGIN RAISE EXCEPTION USING ERRCODE = 'read_only_sql_transaction'; END $$",
        "DO $$ BEGIN RAISE EXCEPTION USING ERRCODE = 'lock_not_available'; END $$",
        "SELECT * FROM not_migrated_yet",
    ],
)
async def test_what_may_pass_is_unavailable(statement: str, pool: Pool) -> None:
    with pytest.raises(Unavailable):
        await _ask(pool, statement)


async def test_schema_that_is_not_there_asks_for_the_migrations(pool: Pool) -> None:
    with pytest.raises(Unavailable, match="are its migrations run"):
        await _ask(pool, "SELECT * FROM not_migrated_yet")


async def test_reason_is_why_a_rollback_was_tried_that_failed_as_well() -> None:
    async def write() -> None:
        async with postgres.translated():
            try:
                raise asyncpg.AdminShutdownError("going down")
            finally:
                raise asyncpg.InterfaceError("cannot call Transaction.__aexit__()")

    with pytest.raises(Unavailable, match=r"going down \(SQLSTATE 57P01\)"):
        await write()


async def test_farewell_between_two_messages_of_a_statement_is_unavailable() -> None:
    with pytest.raises(Unavailable, match="another operation"):
        async with postgres.translated():
            # What asyncpg 0.31 raised when PostgreSQL was shut down at that very moment.
            raise asyncpg.InternalClientError("cannot switch state; another operation in progress")


@pytest.mark.parametrize(
    "statement", ["SELECT 1 / 0", "SELECT 'x'::int", "SELEC 1", "SELECT '\\xzz'::bytea"]
)
async def test_bug_is_no_outage(statement: str, pool: Pool) -> None:
    with pytest.raises(asyncpg.PostgresError):
        await _ask(pool, statement)


async def test_value_that_has_no_form_is_no_outage(pool: Pool) -> None:
    async with pool.connection() as connection:
        with pytest.raises(asyncpg.DataError, match="out of int32 range"):
            async with postgres.translated():
                await connection.fetchval("SELECT $1::int", 2**40)


async def test_table_that_was_migrated_under_a_statement_may_be_asked_again(
    pool: Pool, database: str
) -> None:
    migrator = await asyncpg.connect(database)
    await migrator.execute("CREATE TABLE changed (id int)")
    assert await _ask_in_transaction(pool) == 0
    await migrator.execute("ALTER TABLE changed ALTER id TYPE bigint, ADD name text")
    await migrator.close()

    with pytest.raises(Unavailable):
        await _ask_in_transaction(pool)
    assert await _ask_in_transaction(pool) == 0


async def _ask_in_transaction(pool: Pool) -> int:
    async with pool.connection() as connection, connection.transaction():
        return len(await connection.fetch("SELECT * FROM changed"))


async def test_missing_right_names_the_role(
    settings: PostgresSettings, postgres_server: Postgres
) -> None:
    await postgres_server.create_role("without_rights", password="invented")
    pool = Pool(
        settings.model_copy(
            update={
                "postgres_user": "without_rights",
                "postgres_password": SecretStr("invented"),
            }
        ),
        size=1,
    )

    with pytest.raises(Misconfigured, match="role"):
        await _ask(pool, "SELECT * FROM pg_authid")
    await pool.close()


async def test_migrations_wait_for_the_database(settings: PostgresSettings, tmp_path: Path) -> None:
    (port,) = ports.free(1)
    elsewhere = settings.model_copy(update={"postgres_port": port})

    with pytest.raises(Unavailable):
        await asyncio.to_thread(
            migrations.upgrade,
            elsewhere,
            folder=tmp_path,
            version_table="none",
        )
