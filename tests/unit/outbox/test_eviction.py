from collections.abc import Callable
from datetime import UTC, datetime, timedelta

from maskwatch_proto.alert import Alert
from maskwatch_runtime.outbox import eviction, position
from maskwatch_runtime.outbox.eviction import Evicted, Limits
from maskwatch_runtime.outbox.outbox import Outbox
from maskwatch_runtime.outbox.transaction import transaction

Numbered = Callable[..., Alert]
_NOW = datetime(2026, 1, 1, 1, tzinfo=UTC)  # an hour after alert 0
_PICTURE = b"x" * 10_000


def _left(outbox: Outbox) -> list[tuple[int, int]]:
    """Return (id, bytes of the picture) of the rows that are left."""
    return outbox.connection.execute(
        "SELECT id, length(image_data) FROM alert ORDER BY id"
    ).fetchall()


def _fill(outbox: Outbox, numbered: Numbered, *, rows: int) -> None:
    with transaction(outbox.connection):  # one commit instead of hundreds
        for number in range(1, rows + 1):
            outbox.append(numbered(number, _PICTURE))


def _mark(outbox: Outbox, *rowids: int) -> None:
    outbox.mark_sent([position.of_alert(rowid) for rowid in rowids])


def _evict(outbox: Outbox, *, keep: timedelta, size_bytes_max: int) -> Evicted:
    return eviction.evict(outbox.connection, Limits(keep, size_bytes_max), now=_NOW)


def test_empty_outbox_has_nothing_to_evict(outbox: Outbox) -> None:
    assert _evict(outbox, keep=timedelta(0), size_bytes_max=1) == Evicted()


def test_young_sent_rows_stay_while_there_is_room(outbox: Outbox, numbered: Numbered) -> None:
    _fill(outbox, numbered, rows=3)
    _mark(outbox, 1, 2, 3)

    assert _evict(outbox, keep=timedelta(hours=2), size_bytes_max=10**9) == Evicted()


def test_sent_rows_go_when_they_are_too_old_unsent_ones_never(
    outbox: Outbox, numbered: Numbered
) -> None:
    _fill(outbox, numbered, rows=500)
    _mark(outbox, *range(1, 451))

    evicted = _evict(outbox, keep=timedelta(hours=1) - timedelta(seconds=401), size_bytes_max=10**9)

    assert evicted == Evicted(rows=400)
    assert [row for row, _ in _left(outbox)] == [*range(401, 501)]


def test_size_takes_the_oldest_sent_rows_first_and_no_more_than_needed(
    outbox: Outbox, numbered: Numbered
) -> None:
    _fill(outbox, numbered, rows=600)
    _mark(outbox, *range(1, 501))
    whole = eviction.content_bytes(outbox.connection)

    evicted = _evict(outbox, keep=timedelta(days=1), size_bytes_max=whole - 10_000)

    assert evicted == Evicted(rows=200)
    assert _left(outbox)[0] == (201, len(_PICTURE))


def test_pictures_go_after_the_sent_rows_and_metadata_stays(
    outbox: Outbox, numbered: Numbered
) -> None:
    _fill(outbox, numbered, rows=300)
    _mark(outbox, 1, 2)
    whole = eviction.content_bytes(outbox.connection)

    evicted = _evict(outbox, keep=timedelta(days=1), size_bytes_max=whole // 2)

    assert evicted.rows == 2
    assert 140 <= evicted.pictures <= 200
    left = _left(outbox)
    assert [row for row, _ in left] == [*range(3, 301)]
    sizes = [size for _, size in left]
    assert sizes == [0] * evicted.pictures + [len(_PICTURE)] * (298 - evicted.pictures)
    assert eviction.content_bytes(outbox.connection) <= whole // 2


def test_a_limit_that_cannot_be_met_ends(outbox: Outbox, numbered: Numbered) -> None:
    _fill(outbox, numbered, rows=120)

    assert _evict(outbox, keep=timedelta(days=1), size_bytes_max=1) == Evicted(pictures=120)
    assert _evict(outbox, keep=timedelta(days=1), size_bytes_max=1) == Evicted()
    assert outbox.unsent_count() == 120


def test_rows_that_another_clock_stamped_do_not_hide_older_ones(
    outbox: Outbox, numbered: Numbered
) -> None:
    """The first alerts came before the clock was set; those behind them are old all the same."""
    outbox.append(numbered(100_000))
    outbox.append(numbered(1))
    _mark(outbox, 1, 2)

    assert _evict(outbox, keep=timedelta(minutes=1), size_bytes_max=10**9) == Evicted(rows=1)
    assert [row for row, _ in _left(outbox)] == [1]
