import fcntl
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest
from maskwatch_proto.alert import Alert
from maskwatch_runtime.outbox.checkpoint import Checkpointer
from maskwatch_runtime.outbox.outbox import Outbox

Numbered = Callable[..., Alert]


def _wal_bytes(path: Path) -> int:
    return path.with_name(path.name + "-wal").stat().st_size


def test_small_write_ahead_log_is_left_alone(
    outbox: Outbox, path: Path, numbered: Numbered
) -> None:
    outbox.append(numbered(1))
    checkpointer = Checkpointer(path)

    assert not checkpointer.checkpoint(outbox.connection)
    assert _wal_bytes(path) > 0


def test_outbox_without_a_log_has_nothing_to_move(tmp_path: Path, outbox: Outbox) -> None:
    assert not Checkpointer(tmp_path / "other.db").checkpoint(outbox.connection)


def test_large_log_is_moved_into_the_database(
    outbox: Outbox, path: Path, numbered: Numbered
) -> None:
    for number in range(5):
        outbox.append(numbered(number, b"x" * 1_000_000))
    checkpointer = Checkpointer(path)

    assert checkpointer.checkpoint(outbox.connection)

    assert _wal_bytes(path) == 0
    assert path.stat().st_size > 5_000_000
    assert outbox.unsent_count() == 5


def test_small_log_is_moved_when_the_disk_is_short(
    outbox: Outbox, path: Path, numbered: Numbered
) -> None:
    outbox.append(numbered(1, b"x" * 1_000_000))
    wal_bytes = _wal_bytes(path)

    assert Checkpointer(path).checkpoint(outbox.connection, is_disk_short=True)

    assert path.stat().st_size > 1_000_000
    outbox.append(numbered(2))
    assert _wal_bytes(path) == wal_bytes, "its room is used again"


def test_nothing_is_moved_while_another_process_has_the_lock(
    outbox: Outbox, path: Path, numbered: Numbered
) -> None:
    checkpointer = Checkpointer(path, wal_bytes=1)
    outbox.append(numbered(1))
    with path.with_name(f"{path.name}-checkpoint.lock").open("a") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        assert not checkpointer.checkpoint(outbox.connection)
        assert not checkpointer.checkpoint_into(outbox.connection, lambda: pytest.fail("called"))
        assert _wal_bytes(path) > 0
    assert checkpointer.checkpoint(outbox.connection)


def test_room_that_is_given_goes_to_the_log_s_rows_and_to_no_other_writer(
    outbox: Outbox, path: Path, numbered: Numbered
) -> None:
    outbox.append(numbered(1, b"x" * 1_000_000))
    refused: list[str] = []

    def give_room() -> None:
        with closing(sqlite3.connect(path, timeout=0)) as other:
            try:
                other.execute("BEGIN IMMEDIATE")
            except sqlite3.OperationalError as error:
                refused.append(str(error))

    assert Checkpointer(path).checkpoint_into(outbox.connection, give_room)

    assert refused == ["database is locked"]
    assert path.stat().st_size > 1_000_000
    outbox.append(numbered(2))
    assert outbox.unsent_count() == 2
