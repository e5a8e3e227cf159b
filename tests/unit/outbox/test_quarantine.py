"""Damaged files are put aside with nothing readable lost; files of others are left alone."""

import os
import sqlite3
from collections.abc import Callable
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path
from uuid import UUID

import pytest
from maskwatch_proto.alert import Alert, Device, Image
from maskwatch_proto.device_event import DeviceEvent, Heartbeat
from maskwatch_runtime.errors import Misconfigured, Unavailable
from maskwatch_runtime.outbox import quarantine, schema
from maskwatch_runtime.outbox.outbox import Outbox
from maskwatch_runtime.outbox.rows import Wire

_NOW = datetime(2026, 1, 1, tzinfo=UTC)
_PAGE_BYTES = 4096


def _alert(number: int, *, picture_bytes: int = 0) -> Alert:
    return Alert(
        event_id=UUID(int=number),
        event_time=_NOW,
        device=Device(guid="device-1"),
        probability=0.5,
        image=Image(data=bytes(picture_bytes)),
        sequence=number,
    )


def _beat(number: int) -> DeviceEvent:
    return DeviceEvent(
        event_id=UUID(int=number),
        event_time=_NOW,
        device=Device(guid="device-1"),
        happening=Heartbeat(uptime_s=1),
    )


def _pending(outbox: Outbox) -> list[int]:
    rows = outbox.pending(after=0, limit=10_000, size_bytes_max=10**9)
    return [UUID(row.wire.event_id).int for row in rows if isinstance(row.wire, Wire)]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "alert.db"


@pytest.fixture
def filled(path: Path) -> Path:
    """An outbox: 1 is sent, 2 set aside, 3 an event, 4 to 200 unsent alerts."""
    with closing(Outbox.open(path)) as outbox:
        outbox.append_all([_alert(1), _alert(2), _beat(3)])
        first, second, _ = outbox.pending(after=0, limit=3, size_bytes_max=10**9)
        outbox.mark_sent([first.position])
        outbox.refuse(second.position, "because")
        outbox.append_all([_alert(number) for number in range(4, 201)])
    return path


def _overwrite(path: Path, page: int, data: bytes, *, at: int = 0) -> None:
    with path.open("r+b") as file:
        file.seek((page - 1) * _PAGE_BYTES + at)
        file.write(data)


def test_outbox_with_a_lost_header_is_put_aside_and_all_of_it_is_saved_in_order(
    filled: Path,
) -> None:
    _overwrite(filled, 1, b"\xff" * 100)

    with closing(Outbox.open(filled)) as outbox:
        assert _pending(outbox) == list(range(3, 201))
        ask = outbox.connection.execute
        assert ask("SELECT refused_reason FROM alert WHERE sequence = 2").fetchone() == ("because",)
        outbox.append(_alert(201))
        assert _pending(outbox)[-1] == 201
    (aside,) = quarantine.held(filled)
    assert aside.read_bytes()[:100] == b"\xff" * 100
    assert aside.name.startswith("alert.db.corrupt-2")


def _leaves(file: Path) -> list[int]:
    with closing(sqlite3.connect(file)) as connection:
        found = connection.execute(
            "SELECT pageno FROM dbstat WHERE name = 'alert' AND pagetype = 'leaf' ORDER BY path"
        ).fetchall()
    return [page for (page,) in found]


def test_page_whose_cells_are_zeros_is_not_read_for_ever(filled: Path) -> None:
    # As where a file was cut within a page. Its rows say that they are number 0, the page behind
    # cannot be read: going on behind number 0 would come to both again.
    leaves = _leaves(filled)
    half, broken = leaves[len(leaves) // 2 :][:2]
    _overwrite(filled, half, bytes(_PAGE_BYTES // 2), at=_PAGE_BYTES // 2)
    _overwrite(filled, broken, os.urandom(_PAGE_BYTES))

    with closing(Outbox.open(filled)) as outbox:
        outbox.put_aside("its pages are broken")
        with closing(outbox.reopened()) as fresh:
            saved = _pending(fresh)

    assert {3, 4, 200} <= set(saved)
    assert saved == sorted(set(saved))


def test_rows_around_a_broken_page_are_saved(filled: Path) -> None:
    leaves = _leaves(filled)
    _overwrite(filled, leaves[len(leaves) // 2], os.urandom(_PAGE_BYTES))

    with closing(Outbox.open(filled)) as outbox, pytest.raises(sqlite3.DatabaseError) as caught:
        _pending(outbox)
    assert schema.is_damage(caught.value)
    outbox.put_aside(str(caught.value))
    with closing(outbox.reopened()) as fresh:
        saved = _pending(fresh)
        assert {3, 4, 200} <= set(saved)
        assert len(saved) > 150
        assert saved == sorted(saved)


def test_file_that_was_cut_short_is_read_as_far_as_it_goes(filled: Path) -> None:
    os.truncate(filled, filled.stat().st_size * 3 // 4)

    with closing(Outbox.open(filled)) as outbox:
        assert _pending(outbox)[:10] == list(range(3, 13))
    assert len(quarantine.held(filled)) == 1


def test_emptied_file_is_read_from_its_log(path: Path, tmp_path: Path) -> None:
    device = tmp_path / "after a crash"
    device.mkdir()
    with closing(Outbox.open(path)) as outbox:
        outbox.append_all([_alert(number) for number in range(1, 30)])
        for name in ("alert.db-wal", "alert.db-open.lock"):
            (device / name).write_bytes((tmp_path / name).read_bytes())
    (device / "alert.db").touch()

    with closing(Outbox.open(device / "alert.db")) as saved:
        assert _pending(saved) == list(range(1, 30))


@pytest.mark.parametrize("content", [b"password = hunter2\n" * 400, b"\xff\xd8\xff" * 3000])
def test_file_that_never_was_an_outbox_is_refused_and_left_alone(
    path: Path, content: bytes
) -> None:
    path.write_bytes(content)

    with pytest.raises(Misconfigured, match=r"no outbox here before.*MASKWATCH_OUTBOX_PATH"):
        Outbox.open(path)
    assert path.read_bytes() == content
    assert quarantine.held(path) == []


def test_another_program_s_database_is_refused_and_left_alone(path: Path) -> None:
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("CREATE TABLE bookmark (url text)")
    content = path.read_bytes()

    with pytest.raises(Misconfigured, match="another program's database, with the tables bookmark"):
        Outbox.open(path)
    assert path.read_bytes() == content


def test_what_is_stored_in_a_file_that_was_moved_is_not_taken_for_stored(filled: Path) -> None:
    with closing(Outbox.open(filled)) as outbox:
        filled.rename(filled.with_name("elsewhere.db"))
        for use in (
            lambda: outbox.append(_alert(300)),
            lambda: outbox.append_all([_alert(301)]),
            lambda: outbox.mark_sent([]),
            outbox.data_version,
        ):
            with pytest.raises(Unavailable, match="was moved or replaced"):
                use()


def test_only_one_of_two_puts_the_file_aside(filled: Path) -> None:
    first, second = Outbox.open(filled), Outbox.open(filled)
    first.put_aside("broken")
    with closing(Outbox.open(filled)) as fresh:
        fresh.append(_alert(201))
        second.put_aside("broken")
    assert len(quarantine.held(filled)) == 1
    with closing(Outbox.open(filled)) as outbox:
        assert _pending(outbox) == list(range(3, 202))


def _noted(path: Path) -> None:
    """The note is written, and nothing renamed."""


def _log_moved(path: Path) -> None:
    (path.with_name("alert.db-wal")).write_bytes(b"")
    path.with_name("alert.db-wal").rename(path.with_name("alert.db.corrupt-1-wal"))


def _moved(path: Path) -> None:
    path.rename(path.with_name("alert.db.corrupt-1"))


def _half_copied(path: Path) -> None:
    _moved(path)
    path.with_name("alert.db.fresh").write_bytes(b"half a file")


def _in_place(path: Path) -> None:
    path.with_name("alert.db.corrupt-1").write_bytes(path.read_bytes())


@pytest.mark.parametrize("crash", [_noted, _log_moved, _moved, _half_copied, _in_place])
def test_crash_at_any_step_is_made_good_at_the_next_start(
    filled: Path, crash: Callable[[Path], None]
) -> None:
    filled.with_name("alert.db-quarantine").write_text("alert.db.corrupt-1", encoding="utf-8")
    crash(filled)

    with closing(Outbox.open(filled)) as outbox:
        assert _pending(outbox) == list(range(3, 201))
    assert not filled.with_name("alert.db-quarantine").exists()
    assert not filled.with_name("alert.db.fresh").exists()


def test_name_of_a_moment_that_comes_again_is_numbered(filled: Path) -> None:
    for _ in range(2):
        found = schema.identity(filled)
        assert found is not None
        quarantine.replace(filled, found, "broken", now=_NOW)
    names = [one.name for one in quarantine.held(filled)]
    assert names == ["alert.db.corrupt-20260101T000000", "alert.db.corrupt-20260101T000000-2"]
