from collections.abc import Callable
from pathlib import Path

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
    checkpointer.close()


def test_only_one_of_two_may_checkpoint_until_it_gives_the_lock_back(
    outbox: Outbox, path: Path, numbered: Numbered
) -> None:
    first, second = Checkpointer(path, wal_bytes=1), Checkpointer(path, wal_bytes=1)

    outbox.append(numbered(1))
    assert first.checkpoint(outbox.connection)
    outbox.append(numbered(2))
    assert not second.checkpoint(outbox.connection)
    assert _wal_bytes(path) > 0
    first.close()
    assert second.checkpoint(outbox.connection)
    second.close()
    second.close()
