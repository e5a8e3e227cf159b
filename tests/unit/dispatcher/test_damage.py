"""An outbox that is moved or breaks under the dispatcher; a disk that gets full."""

import asyncio
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path
from uuid import UUID

import pytest
from dispatcher.housekeeping import Housekeeping
from dispatcher.metrics import Metrics
from dispatcher.source import BatchLimits, OutboxSource
from maskwatch_proto.alert import Alert, Device, Image
from maskwatch_runtime.errors import Unavailable
from maskwatch_runtime.outbox import quarantine
from maskwatch_runtime.outbox.checkpoint import Checkpointer
from maskwatch_runtime.outbox.eviction import Limits
from maskwatch_runtime.outbox.outbox import Outbox
from maskwatch_runtime.outbox.room import Disk
from maskwatch_runtime.testing import FakeClock
from prometheus_client import CollectorRegistry
from structlog.testing import capture_logs

_PAGE_BYTES = 4096
_PLENTY = 2**40


def _alert(number: int, *, picture: bytes = b"") -> Alert:
    return Alert(
        event_id=UUID(int=number),
        event_time=datetime(2026, 1, 1, tzinfo=UTC),
        device=Device(guid="door-7"),
        probability=0.75,
        sequence=number,
        image=Image(format="jpg", width=4, height=3, data=picture),
    )


@pytest.fixture
def path(tmp_path: Path) -> Path:
    with closing(Outbox.open(tmp_path / "alert.db")) as outbox:
        outbox.append_all([_alert(number, picture=b"jpeg") for number in range(1, 101)])
    return tmp_path / "alert.db"


@pytest.fixture
def registry() -> CollectorRegistry:
    return CollectorRegistry()


@pytest.fixture
def source(path: Path, registry: CollectorRegistry) -> Iterator[OutboxSource]:
    made = OutboxSource(Outbox.open(path), BatchLimits(1000, 2**30), Metrics(registry))
    yield made
    made.close()


def _put_another_in_place(path: Path) -> None:
    path.rename(path.with_name("elsewhere.db"))
    with closing(Outbox.open(path)) as fresh:
        fresh.append(_alert(500))


async def test_nothing_is_marked_in_a_file_that_took_the_place_of_the_one_that_was_read(
    path: Path, source: OutboxSource
) -> None:
    entries = await source.pending(after=0)
    _put_another_in_place(path)

    with pytest.raises(Unavailable, match="moved or replaced"):
        await source.mark_sent([entry.id for entry in entries])
    with pytest.raises(Unavailable, match="opened anew"):
        await source.pending(after=entries[0].id)

    (entry,) = await source.pending(after=0)
    await source.mark_sent([entry.id])
    assert await source.pending(after=0) == []


async def test_page_that_breaks_under_the_dispatcher_costs_its_rows_and_no_more(
    path: Path, source: OutboxSource
) -> None:
    with closing(sqlite3.connect(path)) as connection:
        leaves = connection.execute(
            "SELECT pageno FROM dbstat WHERE name = 'alert' AND pagetype = 'leaf' ORDER BY path"
        ).fetchall()
    with path.open("r+b") as file:
        file.seek((leaves[2][0] - 1) * _PAGE_BYTES)
        file.write(b"\xff" * _PAGE_BYTES)

    with pytest.raises(Unavailable, match="malformed"):
        await source.pending(after=0)
    saved = await source.pending(after=0)

    assert 60 < len(saved) < 100
    assert len(quarantine.held(path)) == 1


def _housekeeping(
    path: Path,
    source: OutboxSource,
    *,
    room_bytes: int,
    checkpointer: Checkpointer | None = None,
) -> Housekeeping:
    return Housekeeping(
        source,
        Limits(timedelta(days=9), _PLENTY, room_bytes_min=room_bytes),
        checkpointer or Checkpointer(path),
        Metrics(CollectorRegistry()),
        Disk(path, ballast_bytes=8192),
    )


async def test_disk_without_room_costs_sent_rows_and_pictures_and_no_metadata(
    path: Path, source: OutboxSource
) -> None:
    entries = await source.pending(after=0)
    await source.mark_sent([entry.id for entry in entries[:40]])
    housekeeping = _housekeeping(path, source, room_bytes=_PLENTY)

    evicted = await housekeeping.evict(FakeClock())

    assert (evicted.rows, evicted.pictures) == (40, 60)
    assert len(await source.pending(after=0)) == 60


async def test_ballast_is_kept_while_there_is_room(path: Path, source: OutboxSource) -> None:
    housekeeping = _housekeeping(path, source, room_bytes=1)
    stop = asyncio.Event()
    running = asyncio.create_task(housekeeping.run(stop, clock=FakeClock(), every_s=1000))
    while not path.with_name("alert.db-ballast").exists():
        await asyncio.sleep(0.005)
    stop.set()
    await running


class _FullDisk(Checkpointer):
    """A log that cannot be moved before there was room."""

    def __init__(self, path: Path) -> None:
        super().__init__(path, wal_bytes=1)
        self.is_full = True

    def checkpoint(self, connection: sqlite3.Connection, *, is_disk_short: bool = False) -> bool:
        if self.is_full:
            raise sqlite3.OperationalError("database or disk is full")
        return super().checkpoint(connection, is_disk_short=is_disk_short)

    def checkpoint_into(
        self, connection: sqlite3.Connection, give_room: Callable[[], None]
    ) -> bool:
        self.is_full = not super().checkpoint_into(connection, give_room)
        return not self.is_full


async def test_full_disk_gets_the_ballast_s_room_and_rows_are_evicted_at_once(
    path: Path, source: OutboxSource
) -> None:
    checkpointer = _FullDisk(path)
    housekeeping = _housekeeping(path, source, room_bytes=_PLENTY, checkpointer=checkpointer)
    Disk(path, ballast_bytes=8192).keep_ballast()
    stop = asyncio.Event()
    running = asyncio.create_task(housekeeping.run(stop, clock=FakeClock(), every_s=1000))
    while await source.in_thread(_pictures):
        await asyncio.sleep(0.005)
    stop.set()
    await running
    assert not checkpointer.is_full


def _pictures(outbox: Outbox) -> int:
    (count,) = outbox.connection.execute(
        "SELECT count(*) FROM alert WHERE length(image_data) > 0"
    ).fetchone()
    return int(count)


class _FullForever(_FullDisk):
    def checkpoint_into(
        self,
        connection: sqlite3.Connection,  # noqa: ARG002
        give_room: Callable[[], None],  # noqa: ARG002
    ) -> bool:
        raise sqlite3.OperationalError("database or disk is full")


async def test_ballast_that_did_not_help_is_asked_for_again(
    path: Path, source: OutboxSource
) -> None:
    housekeeping = _housekeeping(path, source, room_bytes=_PLENTY, checkpointer=_FullForever(path))
    disk = Disk(path, ballast_bytes=8192)
    disk.keep_ballast()
    stop = asyncio.Event()
    with capture_logs() as logs:
        running = asyncio.create_task(housekeeping.run(stop, clock=FakeClock(), every_s=1000))
        while sum(log["event"] == "no room made" for log in logs) < 2:
            await asyncio.sleep(0.005)
        stop.set()
        await running
    assert disk.has_ballast
