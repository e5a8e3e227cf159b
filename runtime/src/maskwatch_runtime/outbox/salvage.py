"""What can still be read of a damaged outbox, copied into a new one by a plain scan.

Unsent rows and those that were set aside; what is sent stays in the damaged file.
"""

import contextlib
import shutil
import sqlite3
import tempfile
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from maskwatch_runtime.outbox import event_rows, rows, schema
from maskwatch_runtime.outbox.transaction import transaction

# Behind this lies no row: SQLite's largest number of one.
_LAST = 2**63 - 1
_MAGIC = b"SQLite format 3\0"
_BUSY_S = 2.0
_PAGE_BYTES = 4096  # what SQLite chooses, since 3.12
_WAL_HEADER_BYTES, _FRAME_HEADER_BYTES = 32, 24


@dataclass(frozen=True, slots=True)
class Salvaged:
    """How many unsent rows were copied, and how many stretches of the tables were unreadable."""

    rows: int = 0
    holes: int = 0

    def __add__(self, other: "Salvaged") -> "Salvaged":
        return Salvaged(self.rows + other.rows, self.holes + other.holes)


@dataclass(frozen=True, slots=True)
class _Table:
    name: str
    number: str
    columns: tuple[str, ...]


_TABLES = (
    _Table("alert", "rowid", (*rows.ALERT_COLUMNS, "refused_reason", "sent")),
    _Table("device_event", "position", (*event_rows.COLUMNS, "refused_reason", "sent")),
)


def copy(damaged: Path, fresh: Path) -> Salvaged:
    """Make a new outbox at `fresh` with the unsent rows of a damaged one, in their places.

    Nobody may write to `damaged` meanwhile. A row that is there already is left as it is.

    Raises:
        Unavailable, Misconfigured: As `schema.connect`, of the new file.
        sqlite3.Error: The new file cannot be written.
    """
    target = schema.connect(fresh)
    with closing(target), _readable(damaged) as source:
        done = Salvaged()
        for table in _TABLES:
            done += _copy_table(source, target, table)
        # All of it into the one file: it is renamed, and its log would stay behind.
        target.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    return done


@contextlib.contextmanager
def _readable(damaged: Path) -> Iterator[sqlite3.Connection]:
    """Open a damaged file for reading as far as it goes; nothing in it is changed."""
    path = damaged if _has_header(damaged) else _mended(damaged)
    connection = sqlite3.connect(
        f"{path.absolute().as_uri()}?mode=ro", _BUSY_S, isolation_level=None, uri=True
    )
    try:
        # A file that is shorter than its first page says is read as far as it goes.
        connection.execute("PRAGMA writable_schema = ON")
        connection.text_factory = _text
        yield connection
    finally:
        connection.close()
        if path is not damaged:
            for suffix in ("", "-wal", "-shm"):
                path.with_name(path.name + suffix).unlink(missing_ok=True)


def _has_header(path: Path) -> bool:
    with path.open("rb") as file:
        return file.read(len(_MAGIC)) == _MAGIC


def _mended(damaged: Path) -> Path:
    """Return a copy that has a first page: the log's, else that of a new outbox.

    A new outbox has its tables at the same pages as one that was made by the same version. Where
    they lie elsewhere, nothing can be read, as without it.
    """
    path = damaged.with_name(damaged.name + ".reading")
    shutil.copyfile(damaged, path)
    wal = damaged.with_name(damaged.name + "-wal")
    page = b""
    if wal.exists():
        shutil.copyfile(wal, path.with_name(path.name + "-wal"))
        page = _first_page(wal)
    with path.open("r+b") as file:
        file.write(page or _first_page_of_new(path.stat().st_size))
    return path


def _first_page(wal: Path) -> bytes:
    """Return page 1 from the log, where it stands in it; empty where not.

    Source: sqlite.org/fileformat2.html, sections 4.1 and 4.2.
    """
    with wal.open("rb") as file:
        page_bytes = int.from_bytes(file.read(_WAL_HEADER_BYTES)[8:12], "big")
        while len(head := file.read(_FRAME_HEADER_BYTES)) == _FRAME_HEADER_BYTES:
            page = file.read(page_bytes)
            if int.from_bytes(head[:4], "big") == 1 and page.startswith(_MAGIC):
                return page
    return b""


def _first_page_of_new(size_bytes: int) -> bytes:
    """Return page 1 of a new outbox, for a file of this size without free pages.

    Source: sqlite.org/fileformat2.html, section 1.3.
    """
    with tempfile.TemporaryDirectory() as folder:
        new = Path(folder) / "new.db"
        schema.connect(new).close()  # the last one to close moves all of it into the file
        page = bytearray(new.read_bytes()[:_PAGE_BYTES])
    page[28:32] = (size_bytes // _PAGE_BYTES).to_bytes(4, "big")
    page[32:40] = bytes(8)
    return bytes(page)


def _text(value: bytes) -> str:
    return value.decode(errors="replace")


def _copy_table(source: sqlite3.Connection, target: sqlite3.Connection, table: _Table) -> Salvaged:
    copied, holes = 0, 0
    present = _present(source, table)
    columns = ", ".join([table.number, *(name for name in present if name != "sent")])
    sent = "sent" if "sent" in present else "0"  # the older kind of the original has none
    select = (
        f"SELECT {columns}, {sent} FROM {table.name} NOT INDEXED"  # noqa: S608 - our own names
        f" WHERE {table.number} >= ? ORDER BY {table.number}"
    )
    places = ", ".join("?" * columns.count(","))
    insert = f"INSERT OR IGNORE INTO {table.name} ({columns}, sent) VALUES (?, {places}, ?)"  # noqa: S608 - the same
    with transaction(target):
        for row in _rows(source, select):
            if row is None:
                holes += 1
            elif row[-1] == 0:
                copied += _insert(target, insert, row)
    return Salvaged(copied, holes)


def _present(source: sqlite3.Connection, table: _Table) -> list[str]:
    try:
        found = {row[1] for row in source.execute(f"PRAGMA table_info({table.name})")}
    except sqlite3.DatabaseError:
        return []
    return [name for name in table.columns if name in found]


def _insert(target: sqlite3.Connection, insert: str, row: tuple[Any, ...]) -> int:
    try:
        return target.execute(insert, row).rowcount
    except sqlite3.IntegrityError:  # a value is missing that a row of ours has
        return 0


def _rows(source: sqlite3.Connection, select: str) -> Iterator[tuple[Any, ...] | None]:
    """Yield the rows in order; None for each stretch that cannot be read."""
    begin = 0
    while True:
        try:
            for row in source.execute(select, (begin,)):
                # A broken page may say anything: a number that came long before, from which on the
                # same would be read for ever, or a large one with good rows behind it.
                begin = min(max(begin, row[0] + 1), _LAST)
                yield row
        except sqlite3.DatabaseError:
            yield None
            beyond = _beyond(source, select, begin)
            if beyond is None:
                return
            begin = beyond
        else:
            return


def _beyond(source: sqlite3.Connection, select: str, begin: int) -> int | None:
    """Return a number from which on reading works again; None where it does not any more."""
    step = 1
    while begin + step <= _LAST and not _works(source, select, begin + step):
        step *= 2
    if begin + step > _LAST:
        return None
    low, high = begin + step // 2, begin + step
    while high - low > 1:  # the smallest one, so that no more is left out than must be
        middle = (low + high) // 2
        low, high = (low, middle) if _works(source, select, middle) else (middle, high)
    return high


def _works(source: sqlite3.Connection, select: str, begin: int) -> bool:
    try:
        source.execute(select, (begin,)).fetchone()
    except sqlite3.DatabaseError:
        return False
    return True
