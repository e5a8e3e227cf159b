import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import pytest
from maskwatch_proto import contract
from maskwatch_proto.alert import Alert
from maskwatch_runtime.errors import Misconfigured
from maskwatch_runtime.outbox import schema
from maskwatch_runtime.outbox.outbox import Outbox
from maskwatch_runtime.outbox.rows import Wire

_COLUMNS = """
    created_at text not null, device_type text not null, device_id text not null,
    device_deployed_on text not null, longitude real not null, latitude real not null,
    face_model_name text not null, face_model_guid text not null,
    face_model_threshold real not null, mask_model_name text not null,
    mask_model_guid text not null, mask_model_threshold real not null,
    probability real not null, image_format text not null, image_width int not null,
    image_height int not null, image_data blob not null
"""
# The two kinds of table that the original programs made.
_KINDS: dict[str, tuple[str, str, Callable[[int], str | int]]] = {
    "older": ("id text primary key not null,", "id", lambda number: f"id-{number}"),
    "newer": (
        "id integer primary key autoincrement, sent int not null,",
        "sent",
        lambda number: int(number <= 2),
    ),
}
_VALUES = ("pi", "device-1", "2020-01-01", 2.5, 48.5, "f", "fg", 0.5, "m", "mg", 0.25, 0.75)


def _original(path: Path, kind: str, *, rows: int) -> None:
    head, column, value = _KINDS[kind]
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.execute(f"CREATE TABLE alert ({head} {_COLUMNS})")
        names = ", ".join((column, *schema.ORIGINAL_COLUMNS))
        connection.executemany(
            f"INSERT INTO alert ({names}) VALUES ({', '.join('?' * 18)})",  # noqa: S608 - the test's own words
            [
                (value(number), _second(number), *_VALUES, "jpg", 640, 480, b"%d" % number)
                for number in range(1, rows + 1)
            ],
        )


def _second(number: int) -> str:
    return f"2020-06-01 10:00:{number:02}.000000"


@pytest.fixture(params=_KINDS)
def kind(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def migrated(path: Path, kind: str) -> Iterator[Outbox]:
    _original(path, kind, rows=5)
    outbox = Outbox.open(path)
    yield outbox
    outbox.close()


def _pending(outbox: Outbox) -> list[Alert]:
    wires = [row.wire for row in outbox.pending(after=0, limit=100, size_bytes_max=10**9)]
    assert all(isinstance(wire, Wire) for wire in wires)
    return [contract.decode(wire.value) for wire in wires if isinstance(wire, Wire)]


def test_unsent_rows_of_an_original_table_are_pending_in_order(migrated: Outbox, kind: str) -> None:
    first = 1 if kind == "older" else 3

    alerts = _pending(migrated)

    numbers = list(range(first, 6))
    assert [alert.image.data for alert in alerts] == [b"%d" % number for number in numbers]
    assert [alert.event_time.second for alert in alerts] == numbers
    assert len({alert.event_id for alert in alerts}) == len(alerts)
    last = alerts[-1]
    assert last.device.enrolled_on == "2020-01-01"
    assert (last.location.longitude, last.location.latitude) == (2.5, 48.5)
    assert (last.face_model.threshold, last.mask_model.threshold) == (0.5, 0.25)
    assert (last.probability, last.image.width, last.image.height) == (0.75, 640, 480)


def test_migrated_table_takes_new_alerts_and_marks(
    migrated: Outbox, numbered: Callable[..., Alert]
) -> None:
    before = len(_pending(migrated))
    migrated.append(numbered(7, b"new"))

    assert _pending(migrated)[-1] == numbered(7, b"new")

    migrated.mark_sent(
        [row.position for row in migrated.pending(after=0, limit=before, size_bytes_max=10**9)]
    )
    assert _pending(migrated) == [numbered(7, b"new")]


def test_migrating_twice_changes_nothing(migrated: Outbox, path: Path) -> None:
    before = _pending(migrated)

    with closing(schema.connect(path)) as again:
        assert _pending(Outbox(again)) == before


def test_original_detector_can_still_write_and_the_original_dispatcher_read(
    path: Path,
) -> None:
    Outbox.open(path).close()

    with closing(sqlite3.connect(path)) as original, original:
        names = ", ".join(("sent", *schema.ORIGINAL_COLUMNS))
        original.execute(
            f"INSERT INTO alert ({names}) VALUES ({', '.join('?' * 18)})",  # noqa: S608 - the test's own words
            (0, _second(1), *_VALUES, "jpg", 640, 480, b"1"),
        )
        unsent = original.execute("SELECT id, created_at FROM alert WHERE sent = 0").fetchall()
        original.execute("UPDATE alert SET sent = 1 WHERE id = ?", (unsent[0][0],))

    assert unsent == [(1, _second(1))]
    with closing(schema.connect(path)) as connection:
        assert _pending(Outbox(connection)) == []


@pytest.mark.parametrize("is_new", [True, False])
def test_connection_is_durable_and_leaves_checkpoints_alone(path: Path, *, is_new: bool) -> None:
    if not is_new:
        Outbox.open(path).close()

    with closing(schema.connect(path)) as connection:

        def pragma(name: str) -> object:
            return connection.execute(f"PRAGMA {name}").fetchone()[0]

        assert pragma("journal_mode") == "wal"
        assert pragma("synchronous") == 2  # FULL
        assert pragma("wal_autocheckpoint") == 0
        assert pragma("busy_timeout") == 10_000


def test_pending_is_found_by_an_index_not_by_reading_every_sent_row(outbox: Outbox) -> None:
    plan = outbox.connection.execute(
        "EXPLAIN QUERY PLAN SELECT rowid FROM alert"
        " WHERE sent = 0 AND refused_reason IS NULL AND rowid > 5 ORDER BY rowid LIMIT 10"
    ).fetchall()

    assert "alert_unsent" in str(plan)
    assert "TEMP B-TREE" not in str(plan)


def test_table_of_another_kind_is_refused_with_what_it_lacks(path: Path) -> None:
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("CREATE TABLE alert (id integer primary key, created_at text)")

    with pytest.raises(Misconfigured, match=r"lacks the columns device_type, .*image_data"):
        schema.connect(path)


def test_file_that_is_no_database_is_refused_and_left_alone(path: Path) -> None:
    path.write_bytes(b"no database, but long enough to be taken for one " * 100)
    before = path.read_bytes()

    with pytest.raises(Misconfigured, match="not a database"):
        schema.connect(path)

    assert path.read_bytes() == before


def test_missing_folder_is_named(tmp_path: Path) -> None:
    missing = tmp_path / "nowhere" / "outbox.db"

    with pytest.raises(Misconfigured, match="nowhere"):
        schema.connect(missing)


def test_database_that_cannot_have_a_write_ahead_log_is_refused() -> None:
    with pytest.raises(Misconfigured, match="write-ahead log"):
        schema.connect(Path(":memory:"))
