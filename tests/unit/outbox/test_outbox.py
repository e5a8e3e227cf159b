import sqlite3
from collections.abc import Callable
from datetime import timedelta, timezone
from pathlib import Path

import pytest
from maskwatch_proto import contract
from maskwatch_proto.alert import Alert
from maskwatch_proto.contract import InvalidAlert
from maskwatch_proto.device_event import DeviceEvent
from maskwatch_proto.invalid import InvalidMessage
from maskwatch_runtime.outbox import position
from maskwatch_runtime.outbox.outbox import Outbox
from maskwatch_runtime.outbox.rows import Wire
from maskwatch_runtime.outbox.transaction import transaction

Numbered = Callable[..., Alert]


def _sequences(outbox: Outbox, *, after: int = 0, limit: int = 100) -> list[int]:
    found = outbox.pending(after=position.of_alert(after), limit=limit, size_bytes_max=10**9)
    return [_alert(row.wire).sequence for row in found]


def _alert(wire: Wire | InvalidMessage) -> Alert:
    assert isinstance(wire, Wire)
    return contract.decode(wire.value)


def test_empty_outbox_has_nothing_pending(outbox: Outbox) -> None:
    assert outbox.pending(after=0, limit=10, size_bytes_max=1) == []
    assert outbox.unsent_count() == 0


def test_alerts_are_pending_in_the_order_in_which_they_were_appended(
    outbox: Outbox, numbered: Numbered
) -> None:
    for number in (3, 1, 2):
        outbox.append(numbered(number))

    assert _sequences(outbox) == [3, 1, 2]


def test_what_is_appended_together_is_stored_in_its_order_or_not_at_all(
    outbox: Outbox, numbered: Numbered, told: Callable[..., DeviceEvent]
) -> None:
    outbox.append_all([])
    outbox.append_all([numbered(1), told(2), numbered(3)])
    (pages,) = outbox.connection.execute("PRAGMA page_count").fetchone()
    outbox.connection.execute(f"PRAGMA max_page_count = {pages + 5}")

    with pytest.raises(sqlite3.OperationalError, match="full"):
        outbox.append_all([told(4), numbered(5, b"x" * 100_000)])

    assert not outbox.connection.in_transaction
    outbox.connection.execute("PRAGMA max_page_count = 100000")
    outbox.append_all([told(4), numbered(5, b"x" * 100_000)])
    assert outbox.unsent() == (3, 2)
    pending = outbox.pending(after=0, limit=10, size_bytes_max=10**9)
    kinds = [row.wire.kind for row in pending if isinstance(row.wire, Wire)]
    assert kinds == ["alert", "heartbeat", "alert", "heartbeat", "alert"]


def test_pending_begins_behind_the_given_row_and_keeps_the_limit(
    outbox: Outbox, numbered: Numbered
) -> None:
    for number in range(1, 6):
        outbox.append(numbered(number))

    assert _sequences(outbox, after=2, limit=2) == [3, 4]
    assert _sequences(outbox, after=5) == []


def test_pending_stops_before_it_becomes_too_large_but_gives_at_least_one(
    outbox: Outbox, numbered: Numbered
) -> None:
    for number in range(1, 4):
        outbox.append(numbered(number, b"x" * 1000))

    def count(size_bytes_max: int) -> int:
        return len(outbox.pending(after=0, limit=10, size_bytes_max=size_bytes_max))

    assert [count(1), count(2500), count(10_000)] == [1, 2, 3]


def test_marked_rows_are_no_longer_pending(outbox: Outbox, numbered: Numbered) -> None:
    for number in range(1, 4):
        outbox.append(numbered(number))

    outbox.mark_sent([position.of_alert(1), position.of_alert(2)])

    assert _sequences(outbox) == [3]
    assert outbox.unsent_count() == 1


def test_marking_what_does_not_exist_changes_nothing(outbox: Outbox, numbered: Numbered) -> None:
    outbox.append(numbered(1))

    outbox.mark_sent([position.of_alert(7), 7])
    outbox.mark_sent([])

    assert _sequences(outbox) == [1]


def test_refused_row_stays_with_its_reason_and_does_not_block(
    outbox: Outbox, numbered: Numbered
) -> None:
    outbox.append(numbered(1))
    outbox.append(numbered(2))

    outbox.refuse(position.of_alert(1), "too large")

    assert _sequences(outbox) == [2]
    assert outbox.unsent_count() == 1
    kept = outbox.connection.execute("SELECT sent, refused_reason FROM alert WHERE id = 1")
    assert kept.fetchone() == (0, "too large")


def test_dropped_picture_leaves_the_rest(outbox: Outbox, numbered: Numbered) -> None:
    outbox.append(numbered(1, b"picture"))

    assert outbox.drop_picture(position.of_alert(1))
    assert not outbox.drop_picture(position.of_alert(1))

    (row,) = outbox.pending(after=0, limit=1, size_bytes_max=1)
    assert _alert(row.wire) == numbered(1)


def test_time_of_another_zone_is_stored_in_utc(outbox: Outbox, numbered: Numbered) -> None:
    zone = timezone(timedelta(hours=5))
    alert = numbered(1)
    outbox.append(alert.model_copy(update={"event_time": alert.event_time.astimezone(zone)}))

    (row,) = outbox.pending(after=0, limit=1, size_bytes_max=1)

    assert _alert(row.wire).event_time == alert.event_time


@pytest.mark.parametrize(
    ("column", "value"),
    [
        ("label", "'hat'"),
        ("probability", "'likely'"),
        ("image_width", "'wide'"),
        ("clock_quality", "'late'"),
        ("face_right", "NULL"),
    ],
)
def test_senseless_row_is_named_and_its_neighbours_are_read(
    outbox: Outbox, numbered: Numbered, column: str, value: str
) -> None:
    for number in (1, 2, 3):
        outbox.append(numbered(number))
    box = "face_left = 1, face_top = 1, face_right = 2, face_bottom = 2"
    outbox.connection.execute(f"UPDATE alert SET {box} WHERE id = 2")  # noqa: S608 - the test's own words
    outbox.connection.execute(f"UPDATE alert SET {column} = {value} WHERE id = 2")  # noqa: S608 - the same

    first, second, third = outbox.pending(after=0, limit=10, size_bytes_max=10**9)

    assert isinstance(second.wire, InvalidAlert)
    assert [_alert(first.wire).sequence, _alert(third.wire).sequence] == [1, 3]


def test_text_that_is_no_utf8_does_not_block_the_rows_behind(
    outbox: Outbox, numbered: Numbered
) -> None:
    for number in (1, 2):
        outbox.append(numbered(number))
    outbox.connection.execute("UPDATE alert SET camera = CAST(x'ff41' AS text) WHERE id = 1")

    first, second = outbox.pending(after=0, limit=10, size_bytes_max=10**9)

    assert _alert(first.wire).camera == "\ufffdA"
    assert _alert(second.wire) == numbered(2)
    assert outbox.connection.text_factory is str


def test_data_version_tells_of_another_connections_commit(
    outbox: Outbox, path: Path, numbered: Numbered
) -> None:
    before = outbox.data_version()
    other = Outbox.open(path)
    other.append(numbered(1))
    other.close()

    assert outbox.data_version() != before
    assert outbox.data_version() == outbox.data_version()


def test_full_disk_loses_nothing_that_was_stored_and_recovers(
    outbox: Outbox, numbered: Numbered
) -> None:
    (pages,) = outbox.connection.execute("PRAGMA page_count").fetchone()
    outbox.connection.execute(f"PRAGMA max_page_count = {pages + 5}")
    outbox.append(numbered(1))

    with pytest.raises(sqlite3.OperationalError, match="full"):
        outbox.append(numbered(2, b"x" * 100_000))
    assert _sequences(outbox) == [1]

    outbox.connection.execute("PRAGMA max_page_count = 100000")
    outbox.append(numbered(2, b"x" * 100_000))
    assert _sequences(outbox) == [1, 2]


def _delete_then_fail(connection: sqlite3.Connection) -> None:
    with transaction(connection):
        connection.execute("DELETE FROM alert")
        connection.execute("INSERT INTO alert (sent) VALUES (0)")


def test_failed_transaction_is_undone_and_the_next_one_works(
    outbox: Outbox, numbered: Numbered
) -> None:
    outbox.append(numbered(1))

    with pytest.raises(sqlite3.IntegrityError):
        _delete_then_fail(outbox.connection)

    assert not outbox.connection.in_transaction
    outbox.append(numbered(2))
    assert _sequences(outbox) == [1, 2]


def test_transaction_that_sqlite_has_ended_itself_raises_the_first_error(
    outbox: Outbox,
) -> None:
    with pytest.raises(sqlite3.IntegrityError), transaction(outbox.connection):
        outbox.connection.execute("INSERT OR ROLLBACK INTO alert (sent) VALUES (0)")
