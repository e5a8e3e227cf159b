"""Who may do what in the database: the whole table, by the catalogue and by trying."""

from collections.abc import AsyncIterator, Mapping

import asyncpg
import pytest

from tests.e2e.secure.conftest import Secure

_ROLES = {
    "ingress": "maskwatch_ingress",
    "notifier": "maskwatch_notifier",
    "reader": "analyst",
}
_PRIVILEGES = ("SELECT", "INSERT", "UPDATE", "DELETE", "TRUNCATE", "REFERENCES", "TRIGGER")
_S, _SI, _SIU = {"SELECT"}, {"SELECT", "INSERT"}, {"SELECT", "INSERT", "UPDATE"}
_NONE: set[str] = set()

# Table or view: what ingress, the notifier and an analyst may do with all of its columns.
_RIGHTS: Mapping[str, tuple[set[str], set[str], set[str]]] = {
    "alert": (_SI, _S, _NONE),
    "image": (_SI, _S, _NONE),
    "device": (_SIU, _S, _NONE),
    "face_detection_model": (_SIU, _NONE, _NONE),
    "mask_classification_model": (_SIU, _NONE, _NONE),
    "device_event": (_SI, _S, _NONE),
    "notification_request": (_SIU, _NONE, _NONE),
    "event_notification_request": (_SIU, _NONE, _NONE),
    "delivery": (_NONE, _SIU, _NONE),
    "camera_cooldown": (_NONE, _SIU, _NONE),
    "camera_notice": (_NONE, _SIU, _NONE),
    "ingress_schema_version": (_NONE, _NONE, _NONE),
    "notifier_schema_version": (_NONE, _NONE, _NONE),
    "alert_overview": (_NONE, _NONE, _S),
    "alerts_per_day": (_NONE, _NONE, _S),
    "alerts_per_camera": (_NONE, _NONE, _S),
    "device_overview": (_NONE, _NONE, _S),
    "compliance": (_NONE, _NONE, _S),
    "episode": (_NONE, _NONE, _S),
    "camera_outage": (_NONE, _NONE, _S),
    "device_health": (_NONE, _NONE, _S),
    "device_boot": (_NONE, _NONE, _S),
    "sequence_gap": (_NONE, _NONE, _S),
}
# Rights to single columns beside those: login, table, column, privilege.
_COLUMN_RIGHTS = {("notifier", "alert", "notification_sent", "UPDATE")}
_CASES = [
    (login, table, rights[index])
    for table, rights in _RIGHTS.items()
    for index, login in enumerate(_ROLES)
]


@pytest.fixture
async def owner(secure: Secure) -> AsyncIterator[asyncpg.Connection]:
    connection = await asyncpg.connect(secure.system.dsn())
    yield connection
    await connection.close()


async def test_table_names_everything_that_the_database_has(owner: asyncpg.Connection) -> None:
    names = await owner.fetch(
        "SELECT relname FROM pg_class WHERE relnamespace = 'public'::regnamespace"
        " AND relkind IN ('r', 'v', 'm', 'p', 'f')"
    )

    assert {row["relname"] for row in names} == _RIGHTS.keys()


@pytest.mark.parametrize(("login", "table", "rights"), _CASES)
async def test_catalogue_has_these_rights_and_no_more(
    login: str, table: str, rights: set[str], owner: asyncpg.Connection
) -> None:
    granted = await owner.fetch(
        "SELECT privilege FROM unnest($3::text[]) AS privilege"
        " WHERE has_table_privilege($1, $2, privilege)",
        login,
        table,
        _PRIVILEGES,
    )

    assert {row["privilege"] for row in granted} == rights


@pytest.mark.parametrize("login", _ROLES)
async def test_single_columns_have_these_rights_and_no_more(
    login: str, owner: asyncpg.Connection
) -> None:
    columns = await owner.fetch(
        """
        SELECT relname, attname, privilege
        FROM pg_attribute JOIN pg_class ON pg_class.oid = attrelid,
            unnest(ARRAY['SELECT', 'INSERT', 'UPDATE', 'REFERENCES']) AS privilege
        WHERE relnamespace = 'public'::regnamespace AND relkind IN ('r', 'v') AND attnum > 0
            AND has_column_privilege($1, attrelid, attnum, privilege)
            AND NOT has_table_privilege($1, attrelid, privilege)
        """,
        login,
    )

    found = {(login, row["relname"], row["attname"], row["privilege"]) for row in columns}
    assert found == {right for right in _COLUMN_RIGHTS if right[0] == login}


async def _is_refused(connection: asyncpg.Connection, statement: str) -> bool:
    """Whether the statement is refused for want of a right; nothing of it stays."""
    change = connection.transaction()
    await change.start()
    try:
        await connection.execute(statement)
    except asyncpg.InsufficientPrivilegeError:
        return True
    except asyncpg.IntegrityConstraintViolationError:
        return False  # it had the right; the row was the problem
    except (asyncpg.ObjectNotInPrerequisiteStateError, asyncpg.WrongObjectTypeError):
        return True  # a view takes such a change from nobody
    finally:
        await change.rollback()
    return False


@pytest.mark.parametrize(("login", "table", "rights"), _CASES)
async def test_trying_finds_the_same(
    login: str, table: str, rights: set[str], secure: Secure, owner: asyncpg.Connection
) -> None:
    column = await owner.fetchval(
        "SELECT attname FROM pg_attribute"
        " WHERE attrelid = $1::text::regclass AND attnum > 0 AND attidentity = '' LIMIT 1",
        table,
    )
    statements = {
        "SELECT": f"SELECT * FROM {table} LIMIT 1",  # noqa: S608 - our own names
        "INSERT": f"INSERT INTO {table} DEFAULT VALUES",
        "UPDATE": f"UPDATE {table} SET {column} = NULL WHERE false",  # noqa: S608 - our own names
        "DELETE": f"DELETE FROM {table}",  # noqa: S608 - our own names
        "TRUNCATE": f"TRUNCATE {table} CASCADE",
    }
    connection = await asyncpg.connect(secure.system.dsn(login))

    try:
        allowed = {
            privilege
            for privilege, statement in statements.items()
            if not await _is_refused(connection, statement)
        }
    finally:
        await connection.close()

    assert allowed == rights


@pytest.mark.parametrize("login", _ROLES)
@pytest.mark.parametrize(
    "statement",
    [
        "DROP TABLE alert CASCADE",
        "DROP VIEW alert_overview",
        "ALTER TABLE alert ADD COLUMN x int",
        "ALTER TABLE alert DISABLE TRIGGER ALL",
        "CREATE TABLE public.mine (id int)",
        "CREATE FUNCTION public.mine() RETURNS int LANGUAGE sql AS 'SELECT 1'",
        "CREATE SCHEMA mine",
        "CREATE EXTENSION dblink",
        "CREATE ROLE mine",
        "ALTER ROLE postgres PASSWORD 'mine'",
        "SET ROLE postgres",
        "SELECT * FROM pg_authid",
        "SELECT pg_read_file('/etc/passwd')",
        "COPY (SELECT 1) TO PROGRAM 'true'",
        "ALTER SYSTEM SET fsync = off",
        "CREATE DATABASE mine",
    ],
)
async def test_nobody_leaves_the_fence(login: str, statement: str, secure: Secure) -> None:
    connection = await asyncpg.connect(secure.system.dsn(login))
    try:
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            await connection.execute(statement)
    finally:
        await connection.close()


@pytest.mark.parametrize("login", _ROLES)
async def test_login_has_its_one_role_and_no_attribute(
    login: str, owner: asyncpg.Connection
) -> None:
    row = await owner.fetchrow(
        """
        SELECT rolsuper OR rolcreaterole OR rolcreatedb OR rolreplication OR rolbypassrls AS more,
            ARRAY(SELECT roleid::regrole::text FROM pg_auth_members WHERE member = pg_roles.oid)
                AS roles
        FROM pg_roles WHERE rolname = $1
        """,
        login,
    )

    assert row is not None
    assert not row["more"]
    assert row["roles"] == [_ROLES[login]]


async def test_connection_without_tls_is_refused(secure: Secure) -> None:
    with pytest.raises(asyncpg.InvalidAuthorizationSpecificationError, match="no encryption"):
        await asyncpg.connect(secure.system.dsn("reader"), ssl="disable")
