"""Damage to an outbox's file, as bad cards and cut power leave it."""

import random
import sqlite3
from contextlib import closing
from pathlib import Path

# One page of alerts holds fewer, with pictures of 4 KB.
_ROWS_OF_A_PAGE = 12
_HEADER_BYTES = 100
_NEWEST = 30
_LEAVES = "SELECT pageno FROM dbstat WHERE name = 'alert' AND pagetype = 'leaf' ORDER BY path"


def header(file: Path, numbers: random.Random) -> int:
    """Overwrite the beginning; return how many rows may be lost by it."""
    _overwrite(file, 0, numbers.randbytes(_HEADER_BYTES))
    return 0


def leaf(file: Path, numbers: random.Random) -> int:
    """Overwrite a page of the newest alerts; return how many rows may be lost by it.

    In one of alerts that are sent, nobody would read before it is their turn to be deleted.
    """
    with closing(sqlite3.connect(file)) as connection:
        leaves = [page for (page,) in connection.execute(_LEAVES)]
        (page_bytes,) = connection.execute("PRAGMA page_size").fetchone()
    page = numbers.choice(leaves[-_NEWEST:-1])
    _overwrite(file, (page - 1) * page_bytes, numbers.randbytes(page_bytes))
    return _ROWS_OF_A_PAGE


def cut(file: Path, numbers: random.Random) -> int:
    """Cut the end off; return how many rows may be lost by it."""
    with closing(sqlite3.connect(file)) as connection:
        (rows,) = connection.execute("SELECT count(*) FROM alert").fetchone()
    share = numbers.uniform(0.6, 0.95)
    with file.open("r+b") as opened:
        opened.truncate(int(file.stat().st_size * share))
    return int(rows * (1 - share)) + 4 * _ROWS_OF_A_PAGE


def emptied(file: Path, _: random.Random) -> int:
    """Leave nothing but the log beside it; return how many rows may be lost by it."""
    assert file.with_name(file.name + "-wal").stat().st_size, "there is no log"  # noqa: S101
    with file.open("r+b") as opened:
        opened.truncate(0)
    return 0


def _overwrite(file: Path, offset: int, data: bytes) -> None:
    with file.open("r+b") as opened:
        opened.seek(offset)
        opened.write(data)
