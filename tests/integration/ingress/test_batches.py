"""Batches of any sort against a real archive: what can be kept is kept once, the rest is named."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import UTC, datetime
from uuid import UUID

import asyncpg
import hypothesis
import pytest
from hypothesis import HealthCheck, given
from hypothesis import strategies as st
from ingress.archive import Archive
from ingress.handler import AlertHandler
from ingress.metrics import Metrics
from ingress.settings import IngressSettings
from maskwatch_proto import contract
from maskwatch_proto.alert import Alert, Device, Image, Label
from maskwatch_runtime.clock import SystemClock
from maskwatch_runtime.kafka.message import Record
from maskwatch_runtime.postgres import Pool
from prometheus_client import CollectorRegistry

from faults.end_state import ORPHANS

_IDS = st.integers(1, 12)  # few, so that duplicates are common within a batch and between two
_POISON = st.sampled_from([b"", b"{}", b"\xff" * 30, b"\x0a\x01x"])
_EXAMPLES = 60


@dataclass(frozen=True)
class Sent:
    """A message: an alert (by number), one that the schema's rule refuses, or no alert at all."""

    kind: str
    number: int
    value: bytes


def _alert(number: int, *, camera: str) -> bytes:
    made = Alert(
        event_id=UUID(int=number),
        event_time=datetime(2026, 1, 1, tzinfo=UTC),
        device=Device(guid=f"door-{number % 3}"),
        probability=0.5,
        label=Label.NO_MASK,
        camera=camera,
        image=Image(format="jpg", width=1, height=1, data=b"\xff\xd8x" if number % 2 else b""),
        boot_id="b",
        sequence=number,
    )
    return contract.encode(made)


_GOOD = _IDS.map(lambda number: Sent("good", number, _alert(number, camera="north")))
_BREAKING = st.integers(101, 106).map(
    lambda number: Sent("breaking", number, _alert(number, camera="forbidden"))
)
_SENT = st.one_of(_GOOD, _GOOD, _BREAKING, _POISON.map(lambda value: Sent("poison", 0, value)))
_BATCHES = st.lists(st.lists(_SENT, max_size=25), min_size=1, max_size=4)


def _records(batch: list[Sent]) -> list[Record]:
    return [
        Record("alert-topic", 0, offset, 0, None, sent.value) for offset, sent in enumerate(batch)
    ]


class World:
    """A handler on a real archive whose schema forbids a camera."""

    def __init__(self, pool: Pool, dsn: str) -> None:
        self._dsn = dsn
        metrics = Metrics(CollectorRegistry())
        archive = Archive(pool, SystemClock())
        self.handler = AlertHandler(archive, metrics, SystemClock(), on_archived=lambda: None)

    async def fetch(self, statement: str) -> list[asyncpg.Record]:
        connection = await asyncpg.connect(self._dsn)
        try:
            return await connection.fetch(statement)
        finally:
            await connection.close()


@pytest.fixture
async def world(settings: IngressSettings, database: str) -> AsyncIterator[World]:
    pool = Pool(settings, size=2)
    made = World(pool, database)
    await made.fetch("ALTER TABLE alert ADD CHECK (camera <> 'forbidden')")
    yield made
    await pool.close()


@hypothesis.settings(
    max_examples=_EXAMPLES,
    # The archive is emptied for each example.
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(batches=_BATCHES)
async def test_any_mix_is_archived_once_and_everything_else_is_named(
    world: World, batches: list[list[Sent]]
) -> None:
    await world.fetch("TRUNCATE alert, image, notification_request")

    for batch in batches:
        rejected = await world.handler.handle(_records(batch))
        named = {one.record.offset: one.field == "archive" for one in rejected}
        assert len(named) == len(rejected)
        assert named == {
            offset: sent.kind == "breaking"
            for offset, sent in enumerate(batch)
            if sent.kind != "good"
        }

    sent = {one.number for batch in batches for one in batch if one.kind == "good"}
    rows = await world.fetch(
        "SELECT event_id, sequence, image.data IS NOT NULL AS has_picture,"
        " (SELECT count(*) FROM notification_request WHERE alert_id = alert.id) AS requests"
        " FROM alert LEFT JOIN image ON image.id = alert.image_id ORDER BY sequence"
    )
    assert [tuple(row) for row in rows] == [
        (UUID(int=number), number, number % 2 == 1, 1) for number in sorted(sent)
    ]
    assert not await world.fetch(ORPHANS)


@hypothesis.settings(
    max_examples=_EXAMPLES // 3,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(batches=_BATCHES)
async def test_batches_side_by_side_archive_the_same(
    world: World, batches: list[list[Sent]]
) -> None:
    await world.fetch("TRUNCATE alert, image, notification_request")

    await asyncio.gather(*(world.handler.handle(_records(batch)) for batch in batches))

    sent = {one.number for batch in batches for one in batch if one.kind == "good"}
    rows = await world.fetch("SELECT sequence FROM alert ORDER BY sequence")
    requests = await world.fetch("SELECT count(*) FROM notification_request")
    assert [row["sequence"] for row in rows] == sorted(sent)
    assert requests[0]["count"] == len(sent)
    assert not await world.fetch(ORPHANS)
