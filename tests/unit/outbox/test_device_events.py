"""Device events in the outbox, and their one order with the alerts."""

import sqlite3
from collections.abc import Callable
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from maskwatch_proto import contract, event_contract
from maskwatch_proto.alert import Alert
from maskwatch_proto.device_event import DeviceEvent
from maskwatch_proto.invalid import InvalidMessage
from maskwatch_runtime.outbox import eviction, position, schema
from maskwatch_runtime.outbox.eviction import Evicted, Limits
from maskwatch_runtime.outbox.outbox import Outbox, Pending, Unsent
from maskwatch_runtime.outbox.rows import Wire
from maskwatch_runtime.outbox.transaction import transaction

Numbered = Callable[..., Alert]
Told = Callable[..., DeviceEvent]
_BEGIN = datetime(2026, 1, 1, tzinfo=UTC)
_MILLION = 1 << 20


def _pending(outbox: Outbox, *, after: int = 0, limit: int = 1000) -> list[Pending]:
    return outbox.pending(after=after, limit=limit, size_bytes_max=10**9)


def _message(row: Pending) -> Alert | DeviceEvent:
    assert isinstance(row.wire, Wire)
    if row.wire.kind == "alert":
        return contract.decode(row.wire.value)
    event = event_contract.decode(row.wire.value)
    assert row.wire.kind == event.happening.kind
    return event


def _sequences(outbox: Outbox, *, after: int = 0, limit: int = 1000) -> list[int]:
    return [_message(row).sequence for row in _pending(outbox, after=after, limit=limit)]


def _append_mixed(outbox: Outbox, numbered: Numbered, told: Told, *, count: int) -> None:
    """Numbers from 1; every third is an alert."""
    with transaction(outbox.connection):
        for number in range(1, count + 1):
            outbox.append(told(number) if number % 3 else numbered(number))


def test_event_that_was_appended_is_pending_as_it_was(outbox: Outbox, told: Told) -> None:
    outbox.append(told(1))

    (row,) = _pending(outbox)

    assert _message(row) == told(1)
    assert isinstance(row.wire, Wire)
    assert row.wire[:3] == (str(told(1).event_id), "2026-01-01 00:00:01.000000", "device-1")


def test_alerts_and_events_are_pending_in_one_order(
    outbox: Outbox, numbered: Numbered, told: Told
) -> None:
    _append_mixed(outbox, numbered, told, count=40)

    assert _sequences(outbox) == [*range(1, 41)]
    positions = [row.position for row in _pending(outbox)]
    assert positions == sorted(set(positions))


@pytest.mark.parametrize("limit", [1, 2, 3, 7])
def test_order_is_kept_over_batches(
    outbox: Outbox, numbered: Numbered, told: Told, limit: int
) -> None:
    _append_mixed(outbox, numbered, told, count=20)

    found: list[int] = []
    after = 0
    while batch := _pending(outbox, after=after, limit=limit):
        assert len(batch) <= limit
        found += [_message(row).sequence for row in batch]
        after = batch[-1].position

    assert found == [*range(1, 21)]


def test_batch_is_bounded_in_bytes_over_both_tables(
    outbox: Outbox, numbered: Numbered, told: Told
) -> None:
    outbox.append(told(1))
    outbox.append(numbered(2, b"x" * 1000))
    outbox.append(told(3))

    batch = outbox.pending(after=0, limit=10, size_bytes_max=500)

    assert [_message(row).sequence for row in batch] == [1]


@pytest.mark.parametrize("size_bytes_max", [1, 100, 250, 10_000])
def test_batches_bounded_in_bytes_leave_nothing_out(
    outbox: Outbox, numbered: Numbered, told: Told, size_bytes_max: int
) -> None:
    _append_mixed(outbox, numbered, told, count=20)

    found: list[int] = []
    after = 0
    while batch := outbox.pending(after=after, limit=1000, size_bytes_max=size_bytes_max):
        found += [_message(row).sequence for row in batch]
        after = batch[-1].position

    assert found == [*range(1, 21)]


def test_marked_events_are_no_longer_pending(
    outbox: Outbox, numbered: Numbered, told: Told
) -> None:
    _append_mixed(outbox, numbered, told, count=6)
    rows = _pending(outbox)

    outbox.mark_sent([row.position for row in rows[:4]])

    assert _sequences(outbox) == [5, 6]
    assert outbox.unsent() == Unsent(alerts=1, device_events=1)
    assert outbox.unsent_count() == 2


def test_refused_event_stays_with_its_reason_and_does_not_block(outbox: Outbox, told: Told) -> None:
    outbox.append(told(1))
    outbox.append(told(2))
    first = _pending(outbox)[0].position

    assert not outbox.drop_picture(first)
    outbox.refuse(first, "the broker said no")

    assert _sequences(outbox) == [2]
    kept = outbox.connection.execute("SELECT sent, refused_reason FROM device_event LIMIT 1")
    assert kept.fetchone() == (0, "the broker said no")


@pytest.mark.parametrize("change", ["payload = 'text'", "kind = x'00'"])
def test_senseless_event_is_named_and_its_neighbours_are_read(
    outbox: Outbox, told: Told, change: str
) -> None:
    for number in (1, 2, 3):
        outbox.append(told(number))
    outbox.connection.execute(f"UPDATE device_event SET {change} WHERE position = 2")  # noqa: S608 - the test's own words

    first, second, third = _pending(outbox)

    assert isinstance(second.wire, InvalidMessage)
    assert [_message(first).sequence, _message(third).sequence] == [1, 3]


def test_original_rows_and_events_share_the_order(
    outbox: Outbox, numbered: Numbered, told: Told
) -> None:
    outbox.append(told(1))
    # As an original detector writes: it knows nothing of events.
    columns = ", ".join(schema.ORIGINAL_COLUMNS)
    outbox.append(numbered(2))
    outbox.connection.execute(
        f"INSERT INTO alert (sent, {columns}) SELECT 0, {columns} FROM alert"  # noqa: S608 - our own names
    )
    outbox.append(told(4))

    kinds = [row.wire.kind for row in _pending(outbox) if isinstance(row.wire, Wire)]
    assert kinds == ["heartbeat", "alert", "alert", "heartbeat"]


def test_events_behind_evicted_alerts_stand_before_the_next_alert(
    outbox: Outbox, numbered: Numbered, told: Told
) -> None:
    for number in (1, 2):
        outbox.append(numbered(number))
    outbox.append(told(3))
    outbox.connection.execute("DELETE FROM alert")
    outbox.append(told(4))
    outbox.append(numbered(5))
    outbox.append(told(6))

    assert _sequences(outbox) == [3, 4, 5, 6]


def test_place_is_never_given_twice_even_when_everything_was_evicted(
    outbox: Outbox, told: Told
) -> None:
    outbox.append(told(1))
    (first,) = _pending(outbox)
    outbox.connection.execute("DELETE FROM device_event")
    outbox.append(told(2))

    assert _pending(outbox)[0].position > first.position
    assert _sequences(outbox, after=first.position) == [2]


def test_older_table_without_counter_keeps_the_order_after_an_eviction(
    path: Path, numbered: Numbered, told: Told
) -> None:
    columns = ", ".join(schema.ORIGINAL_COLUMNS)
    with closing(sqlite3.connect(path)) as older:
        older.execute(f"CREATE TABLE alert (id text PRIMARY KEY NOT NULL, {columns})")
    with closing(schema.connect(path)) as connection:
        outbox = Outbox(connection)
        for number in (1, 2, 3):
            outbox.append(numbered(number))
        outbox.append(told(4))
        connection.execute("DELETE FROM alert")
        outbox.append(numbered(5))
        outbox.append(told(6))

        kinds = [row.wire.kind for row in _pending(outbox) if isinstance(row.wire, Wire)]
    assert kinds == ["heartbeat", "alert", "heartbeat"]


def test_a_million_events_without_an_alert_neither_collide_nor_overtake(
    outbox: Outbox, numbered: Numbered, told: Told
) -> None:
    outbox.append(numbered(1))
    outbox.append(told(2))
    outbox.connection.execute(
        "UPDATE device_event SET position = ?", (position.of_alert(1) + _MILLION - 1,)
    )
    outbox.connection.execute(
        "UPDATE sqlite_sequence SET seq = ? WHERE name = 'device_event'",
        (position.of_alert(1) + _MILLION - 1,),
    )
    outbox.append(told(3))
    outbox.append(numbered(4))
    outbox.append(told(5))

    rows = _pending(outbox)
    assert [_message(row).sequence for row in rows] == [1, 2, 3, 4, 5]
    assert [position.is_alert(row.position) for row in rows] == [True, False, False, True, False]


def test_two_connections_never_take_the_same_place(path: Path, told: Told) -> None:
    with closing(schema.connect(path)) as one, closing(schema.connect(path)) as other:
        for number in range(1, 11):
            Outbox(one if number % 2 else other).append(told(number))

        assert _sequences(Outbox(one)) == [*range(1, 11)]


def test_file_of_an_earlier_version_gets_the_table_and_keeps_its_rows(
    path: Path, numbered: Numbered, told: Told
) -> None:
    with closing(schema.connect(path)) as connection:
        Outbox(connection).append(numbered(1))
        connection.execute("DROP TABLE device_event")
    with closing(schema.connect(path)) as connection:
        outbox = Outbox(connection)
        outbox.append(told(2))

        assert _sequences(outbox) == [1, 2]


def test_pending_events_are_found_by_an_index(outbox: Outbox) -> None:
    plan = outbox.connection.execute(
        "EXPLAIN QUERY PLAN SELECT position FROM device_event"
        " WHERE sent = 0 AND refused_reason IS NULL AND position > 5 ORDER BY position LIMIT 10"
    ).fetchall()

    assert "device_event_unsent" in str(plan)
    assert "TEMP B-TREE" not in str(plan)


def test_oldest_that_waits_is_told_over_both_tables(
    outbox: Outbox, numbered: Numbered, told: Told
) -> None:
    assert outbox.oldest_unsent_at() is None
    outbox.append(told(5))
    outbox.append(numbered(7))
    assert outbox.oldest_unsent_at() == _BEGIN + timedelta(seconds=5)
    outbox.mark_sent([_pending(outbox)[0].position])
    assert outbox.oldest_unsent_at() == _BEGIN + timedelta(seconds=7)
    outbox.connection.execute("UPDATE alert SET created_at = 'yesterday'")
    assert outbox.oldest_unsent_at() is None


def test_sent_events_go_by_age(outbox: Outbox, told: Told) -> None:
    for number in range(1, 6):
        outbox.append(told(number))
    outbox.mark_sent([row.position for row in _pending(outbox)[:4]])
    limits = Limits(keep_sent=timedelta(0), size_bytes_max=10**9)

    evicted = eviction.evict(outbox.connection, limits, now=_BEGIN + timedelta(seconds=3))

    assert evicted == Evicted(events=2)
    left = outbox.connection.execute("SELECT count(*) FROM device_event").fetchone()
    assert left == (3,)


def test_room_is_made_of_heartbeats_first_and_unsent_metadata_stays(
    outbox: Outbox, numbered: Numbered, told: Told
) -> None:
    with transaction(outbox.connection):
        for number in range(1, 31):
            outbox.append(told(number, is_heartbeat=number % 2 == 1))
        outbox.append(numbered(31, b"x" * 10_000))
        outbox.append(numbered(32, b"x" * 10_000))
    rows = _pending(outbox)
    outbox.mark_sent([row.position for row in (*rows[:20], rows[30])])
    nothing = Limits(keep_sent=timedelta(days=1), size_bytes_max=1)

    evicted = eviction.evict(outbox.connection, nothing, now=_BEGIN)

    assert evicted == Evicted(rows=1, pictures=1, events=20, heartbeats=5)
    kinds = [row.wire.kind for row in _pending(outbox) if isinstance(row.wire, Wire)]
    assert kinds == ["camera_changed"] * 5 + ["alert"]


def test_sent_events_give_way_before_sent_alerts(
    outbox: Outbox, numbered: Numbered, told: Told
) -> None:
    with transaction(outbox.connection):
        for number in range(1, 401):
            outbox.append(told(number, is_heartbeat=number > 200))
        outbox.append(numbered(401, b"x" * 10_000))
    outbox.mark_sent([row.position for row in _pending(outbox)])

    def evict_a_page() -> Evicted:
        size_bytes_max = eviction.content_bytes(outbox.connection) - 4096
        limits = Limits(keep_sent=timedelta(days=1), size_bytes_max=size_bytes_max)
        return eviction.evict(outbox.connection, limits, now=_BEGIN)

    def kinds() -> list[tuple[str, int]]:
        return outbox.connection.execute(
            "SELECT kind, count(*) FROM device_event GROUP BY kind"
        ).fetchall()

    assert evict_a_page() == Evicted(events=200)
    assert kinds() == [("camera_changed", 200)]
    assert evict_a_page() == Evicted(events=200)
    assert kinds() == []
    assert evict_a_page() == Evicted(rows=1)
