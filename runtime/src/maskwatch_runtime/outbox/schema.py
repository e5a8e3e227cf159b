"""The tables, and the way an older file comes to have them.

The first nineteen columns of `alert` are those of the original programs, so that the original
detector can fill this table and the original dispatcher can drain it. Ours are nullable. Rows are
ordered by SQLite's rowid, because the old kind of the original table has a text id. `device_event`
is ours alone; see `position` for the order that both tables share.
"""

import sqlite3
import time
from pathlib import Path

from maskwatch_runtime.errors import Misconfigured, Unavailable

ORIGINAL_COLUMNS = (
    "created_at",
    "device_type",
    "device_id",
    "device_deployed_on",
    "longitude",
    "latitude",
    "face_model_name",
    "face_model_guid",
    "face_model_threshold",
    "mask_model_name",
    "mask_model_guid",
    "mask_model_threshold",
    "probability",
    "image_format",
    "image_width",
    "image_height",
    "image_data",
)

OWN_COLUMNS = {
    "event_id": "text",
    "label": "text",
    "face_left": "real",
    "face_top": "real",
    "face_right": "real",
    "face_bottom": "real",
    "episode_id": "text",
    "camera": "text",
    "runtime": "text",
    "boot_id": "text",
    "sequence": "integer",
    "clock_quality": "text",
    "episode_started_at": "text",
    "refused_reason": "text",
}

_CREATE = f"""
CREATE TABLE IF NOT EXISTS alert (
    id integer PRIMARY KEY AUTOINCREMENT,
    sent int NOT NULL DEFAULT 0,
    created_at text NOT NULL,
    device_type text NOT NULL,
    device_id text NOT NULL,
    device_deployed_on text NOT NULL,
    longitude real NOT NULL,
    latitude real NOT NULL,
    face_model_name text NOT NULL,
    face_model_guid text NOT NULL,
    face_model_threshold real NOT NULL,
    mask_model_name text NOT NULL,
    mask_model_guid text NOT NULL,
    mask_model_threshold real NOT NULL,
    probability real NOT NULL,
    image_format text NOT NULL,
    image_width int NOT NULL,
    image_height int NOT NULL,
    image_data blob NOT NULL,
    {", ".join(f"{name} {kind}" for name, kind in OWN_COLUMNS.items())}
)
"""
# AUTOINCREMENT remembers the last position even when every row is evicted.
_CREATE_EVENTS = """
CREATE TABLE IF NOT EXISTS device_event (
    position integer PRIMARY KEY AUTOINCREMENT,
    event_id text NOT NULL,
    kind text NOT NULL,
    device_id text NOT NULL,
    created_at text NOT NULL,
    sent int NOT NULL DEFAULT 0,
    refused_reason text,
    payload blob NOT NULL
)
"""
# Small while the dispatcher keeps up: only what is still to be sent stands in them.
_INDEXES = tuple(
    f"CREATE INDEX IF NOT EXISTS {table}_unsent ON {table} (sent)"
    " WHERE sent = 0 AND refused_reason IS NULL"
    for table in ("alert", "device_event")
)
_TABLES = "SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite%'"

_BUSY_S = 10.0
_DAMAGE = frozenset({sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB})
# Primary result codes of what may pass without a change to the set-up; the low byte of an extended
# one. Source: sqlite.org/rescode.html.
_PASSING = frozenset(
    {
        sqlite3.SQLITE_BUSY,
        sqlite3.SQLITE_LOCKED,
        sqlite3.SQLITE_READONLY,
        sqlite3.SQLITE_IOERR,
        sqlite3.SQLITE_FULL,
    }
)


class Damaged(Misconfigured):
    """The file is no database, or no longer a whole one."""


def is_damage(error: sqlite3.Error) -> bool:
    """Whether SQLite says that the file itself is broken, and not only the disk or the moment."""
    # Errors of Python's own have no code.
    return getattr(error, "sqlite_errorcode", 0) & 0xFF in _DAMAGE


def identity(path: Path) -> tuple[int, int] | None:
    """Return device and inode of what lies at a path now; None when nothing does."""
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_dev, found.st_ino


def connect(path: Path) -> sqlite3.Connection:
    """Open the outbox at `path`, creating it or bringing an older file up to date in place.

    The connection may pass between threads, used by one at a time. It never checkpoints by itself:
    SQLite before 3.51.3 can corrupt a WAL file when two processes do (see `checkpoint`).

    Raises:
        Damaged: The file is no database, or a broken one.
        Misconfigured: The file cannot be opened, is another program's database, or its alert table
            is of no known kind.
        Unavailable: The disk is full, broken or read-only, or another program holds the lock.
    """
    try:
        connection = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
    except sqlite3.OperationalError as error:
        raise Misconfigured(f"the outbox {path} cannot be opened: {error}") from error
    try:
        prepare(connection, path)
    except Misconfigured:
        connection.close()
        raise
    except sqlite3.Error as error:
        connection.close()
        if is_damage(error):
            raise Damaged(f"the outbox {path} cannot be used: {error}") from error
        if error.sqlite_errorcode & 0xFF in _PASSING:
            raise Unavailable("outbox", f"{path}: {error}") from error
        raise Misconfigured(f"the outbox {path} cannot be used: {error}") from error
    return connection


def prepare(connection: sqlite3.Connection, path: Path) -> None:
    """Set a connection up for durable writes, and make or complete the tables.

    Raises:
        Misconfigured: The file is another program's, or cannot be one of ours.
        sqlite3.Error: It cannot be read or written.
    """
    connection.execute(f"PRAGMA busy_timeout = {_BUSY_S * 1000:.0f}")
    _refuse_foreign(connection, path)
    _switch_to_wal(connection, path)
    connection.execute("PRAGMA synchronous = FULL")
    connection.execute("PRAGMA wal_autocheckpoint = 0")
    connection.execute("BEGIN IMMEDIATE")
    connection.execute(_CREATE)
    present = {row[1] for row in connection.execute("PRAGMA table_info(alert)")}
    lacking = [name for name in ORIGINAL_COLUMNS if name not in present]
    if lacking:
        connection.execute("ROLLBACK")
        raise Misconfigured(f"the table alert in {path} lacks the columns {', '.join(lacking)}")
    if "sent" not in present:  # the older kind of the original
        connection.execute("ALTER TABLE alert ADD COLUMN sent int NOT NULL DEFAULT 0")
    for name, kind in OWN_COLUMNS.items():
        if name not in present:
            connection.execute(f"ALTER TABLE alert ADD COLUMN {name} {kind}")
    connection.execute(_CREATE_EVENTS)
    for index in _INDEXES:
        connection.execute(index)
    connection.execute("COMMIT")


def _refuse_foreign(connection: sqlite3.Connection, path: Path) -> None:
    names = {name for (name,) in connection.execute(_TABLES)}
    if names and "alert" not in names:
        raise Misconfigured(
            f"{path} is another program's database, with the tables {', '.join(sorted(names))}:"
            " correct MASKWATCH_OUTBOX_PATH"
        )


def _switch_to_wal(connection: sqlite3.Connection, path: Path) -> None:
    """Switch, waiting for others: SQLite's busy timeout does not cover this one statement, and
    detector and dispatcher open a new file at the same moment.
    """  # noqa: D205 - one sentence
    deadline_s = time.monotonic() + _BUSY_S
    while True:
        try:
            (mode,) = connection.execute("PRAGMA journal_mode = WAL").fetchone()
        except sqlite3.OperationalError as error:
            is_busy = error.sqlite_errorcode & 0xFF == sqlite3.SQLITE_BUSY
            if not is_busy or time.monotonic() > deadline_s:
                raise
            time.sleep(0.02)
            continue
        if mode != "wal":
            raise Misconfigured(f"the file system of {path} allows no write-ahead log: {mode}")
        return
