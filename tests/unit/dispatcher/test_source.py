import asyncio
import sqlite3
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from uuid import uuid4

import pytest
from dispatcher.housekeeping import Housekeeping
from dispatcher.metrics import Metrics
from dispatcher.source import BatchLimits, OutboxSource
from maskwatch_proto import contract, event_contract
from maskwatch_proto.alert import Alert, Device, Image
from maskwatch_proto.device_event import CameraChanged, CameraState, DeviceEvent, Heartbeat
from maskwatch_runtime.errors import Unavailable
from maskwatch_runtime.health import Health
from maskwatch_runtime.kafka import topics
from maskwatch_runtime.kafka.message import Message
from maskwatch_runtime.kafka.topics import MESSAGE_BYTES_MAX
from maskwatch_runtime.outbox import position
from maskwatch_runtime.outbox.checkpoint import Checkpointer
from maskwatch_runtime.outbox.eviction import Limits
from maskwatch_runtime.outbox.outbox import Outbox
from maskwatch_runtime.relay import Relay
from maskwatch_runtime.testing import FakeClock, FakePublisher
from prometheus_client import CollectorRegistry


def _alert(number: int, *, picture: bytes = b"jpeg") -> Alert:
    return Alert(
        event_id=uuid4(),
        event_time=datetime(2026, 1, 1, tzinfo=UTC) + timedelta(seconds=number),
        device=Device(guid="door-7"),
        probability=0.75,
        sequence=number,
        image=Image(format="jpg", width=4, height=3, data=picture),
    )


def _event(number: int, *, is_heartbeat: bool = True) -> DeviceEvent:
    at = datetime(2026, 1, 1, tzinfo=UTC) + timedelta(seconds=number)
    camera = CameraChanged(state=CameraState.DOWN, since=at)
    return DeviceEvent(
        event_id=uuid4(),
        event_time=at,
        device=Device(guid="door-7"),
        sequence=number,
        happening=Heartbeat(uptime_s=number) if is_heartbeat else camera,
    )


@pytest.fixture
def registry() -> CollectorRegistry:
    return CollectorRegistry()


@pytest.fixture
def metrics(registry: CollectorRegistry) -> Metrics:
    return Metrics(registry)


@pytest.fixture
def detector(tmp_path: Path) -> Iterator[Outbox]:
    outbox = Outbox.open(tmp_path / "alert.db")
    yield outbox
    outbox.close()


@pytest.fixture
def source(tmp_path: Path, detector: Outbox, metrics: Metrics) -> Iterator[OutboxSource]:  # noqa: ARG001 - opened first
    opened = OutboxSource(
        Outbox.open(tmp_path / "alert.db"), BatchLimits(rows=10, size_bytes=1000), metrics
    )
    yield opened
    opened.close()


def _relay(source: OutboxSource, publisher: FakePublisher) -> Relay:
    return Relay(source, publisher, Health(FakeClock()))


async def test_outbox_is_drained_in_order(detector: Outbox, source: OutboxSource) -> None:
    alerts = [_alert(number) for number in range(25)]
    for alert in alerts:
        detector.append(alert)
    publisher = FakePublisher()

    await _relay(source, publisher).drain(asyncio.Event())

    assert [contract.decode(message.value) for message in publisher.messages] == alerts
    assert detector.unsent_count() == 0


async def test_nothing_is_marked_before_the_broker_has_it(
    detector: Outbox, source: OutboxSource, registry: CollectorRegistry
) -> None:
    detector.append(_alert(1))
    publisher = FakePublisher()
    publisher.is_down = True

    with pytest.raises(Unavailable):
        await _relay(source, publisher).drain(asyncio.Event())

    assert detector.unsent_count() == 1
    assert registry.get_sample_value("dispatcher_alerts_sent_total") == 0


async def test_batch_is_bounded_in_bytes_but_never_empty(
    detector: Outbox, source: OutboxSource
) -> None:
    for number in range(3):
        detector.append(_alert(number, picture=bytes(1200)))

    entries = await source.pending(after=0)

    assert len(entries) == 1


async def test_row_that_is_no_alert_is_set_aside_and_the_rest_goes_on(
    detector: Outbox, source: OutboxSource, registry: CollectorRegistry
) -> None:
    for number in range(12):
        detector.append(_alert(number))
    detector.connection.execute(
        "UPDATE alert SET created_at = 'yesterday', event_id = NULL WHERE rowid <= 11"
    )
    publisher = FakePublisher()

    await _relay(source, publisher).drain(asyncio.Event())

    assert [contract.decode(message.value).sequence for message in publisher.messages] == [11]
    reasons = detector.connection.execute(
        "SELECT DISTINCT refused_reason, sent FROM alert WHERE rowid <= 11"
    ).fetchall()
    assert reasons == [('event_time: is not "YYYY-MM-DD HH:MM:SS.ffffff"', 0)]
    assert registry.get_sample_value("dispatcher_alerts_refused_total") == 11


async def test_message_too_large_for_the_topic_goes_without_its_picture(
    detector: Outbox, source: OutboxSource, registry: CollectorRegistry
) -> None:
    detector.append(_alert(1, picture=bytes(MESSAGE_BYTES_MAX)))
    publisher = FakePublisher()
    relay = _relay(source, publisher)

    await relay.drain(asyncio.Event())
    await relay.drain(asyncio.Event())

    (message,) = publisher.messages
    assert contract.decode(message.value).image.data == b""
    assert detector.unsent_count() == 0
    assert registry.get_sample_value("dispatcher_pictures_dropped_too_large_total") == 1


async def test_message_refused_even_without_picture_is_set_aside(
    detector: Outbox, source: OutboxSource
) -> None:
    detector.append(_alert(1, picture=b""))
    (entry,) = await source.pending(after=0)

    await source.refuse(entry, "the broker said no")

    assert await source.pending(after=0) == []
    assert detector.connection.execute("SELECT sent, refused_reason FROM alert").fetchall() == [
        (0, "the broker said no")
    ]


async def test_commit_of_the_detector_is_noticed(detector: Outbox, source: OutboxSource) -> None:
    await source.changed(timeout_s=1)
    waiting = asyncio.create_task(source.changed(timeout_s=60))
    await asyncio.sleep(0)

    detector.append(_alert(1))

    async with asyncio.timeout(5):
        await waiting


async def test_quiet_outbox_returns_after_the_timeout(source: OutboxSource) -> None:
    await source.changed(timeout_s=1)

    async with asyncio.timeout(5):
        await source.changed(timeout_s=0.05)


async def test_failing_disk_is_unavailable_not_a_crash(source: OutboxSource) -> None:
    def fail(_: Outbox) -> None:
        raise sqlite3.OperationalError("database or disk is full")

    with pytest.raises(Unavailable, match="database or disk is full"):
        await source.in_thread(fail)


async def test_housekeeping_evicts_by_age_and_tells_what_waits(
    detector: Outbox,
    source: OutboxSource,
    metrics: Metrics,
    registry: CollectorRegistry,
    tmp_path: Path,
) -> None:
    for number in range(3):
        detector.append(_alert(number))
    await source.mark_sent([position.of_alert(1), position.of_alert(2)])
    clock = FakeClock(datetime(2026, 1, 3, tzinfo=UTC))
    limits = Limits(keep_sent=timedelta(hours=1), size_bytes_max=2**30)
    housekeeping = Housekeeping(source, limits, Checkpointer(tmp_path / "alert.db"), metrics)

    evicted = await housekeeping.evict(clock)

    assert (evicted.rows, evicted.pictures) == (2, 0)
    assert registry.get_sample_value("dispatcher_rows_evicted_total") == 2
    assert registry.get_sample_value("dispatcher_alerts_unsent") == 1


async def test_housekeeping_runs_until_stopped(
    source: OutboxSource, metrics: Metrics, registry: CollectorRegistry, tmp_path: Path
) -> None:
    stop = asyncio.Event()
    housekeeping = Housekeeping(
        source,
        Limits(keep_sent=timedelta(hours=1), size_bytes_max=2**30),
        Checkpointer(tmp_path / "alert.db"),
        metrics,
    )

    running = asyncio.create_task(housekeeping.run(stop, clock=FakeClock(), every_s=1))
    while registry.get_sample_value("dispatcher_outbox_content_bytes") == 0:
        await asyncio.sleep(0.01)
    stop.set()
    await running


def _sequence(message: Message) -> int:
    decode = contract.decode if message.topic == topics.ALERT else event_contract.decode
    return decode(message.value).sequence


async def test_alerts_and_events_leave_in_one_order_and_are_counted_by_kind(
    detector: Outbox, source: OutboxSource, registry: CollectorRegistry
) -> None:
    for number in range(30):
        detector.append(
            _alert(number) if number % 3 == 0 else _event(number, is_heartbeat=number % 3 == 1)
        )
    publisher = FakePublisher()

    await _relay(source, publisher).drain(asyncio.Event())

    assert [_sequence(message) for message in publisher.messages] == [*range(30)]
    assert detector.unsent_count() == 0

    def sent(kind: str) -> float | None:
        name = "dispatcher_device_events_sent_total"
        return registry.get_sample_value(name, {"kind": kind})

    assert registry.get_sample_value("dispatcher_alerts_sent_total") == 10
    assert (sent("heartbeat"), sent("camera_changed")) == (10, 10)


async def test_broker_that_dies_between_them_gets_the_rest_in_order(
    detector: Outbox, source: OutboxSource
) -> None:
    for number in range(8):
        detector.append(_alert(number) if number % 2 else _event(number))
    publisher = FakePublisher(accepts=3)

    with pytest.raises(Unavailable):
        await _relay(source, publisher).drain(asyncio.Event())
    assert detector.unsent_count() == 5
    publisher.is_down, publisher.accepts = False, None
    await _relay(source, publisher).drain(asyncio.Event())

    assert [_sequence(message) for message in publisher.messages] == [*range(8)]


async def test_event_that_is_refused_is_set_aside_and_the_rest_goes_on(
    detector: Outbox, source: OutboxSource, registry: CollectorRegistry
) -> None:
    detector.append(_event(1))
    detector.append(_event(2))
    detector.append(_alert(3))
    detector.connection.execute("UPDATE device_event SET payload = 'text' WHERE position = 1")
    entry, _ = await source.pending(after=0)

    await source.refuse(entry, "the broker said no")

    assert [_sequence(one.message) for one in await source.pending(after=0)] == [3]
    reasons = detector.connection.execute("SELECT refused_reason FROM device_event").fetchall()
    assert reasons == [("row: holds a value of the wrong type",), ("the broker said no",)]
    assert registry.get_sample_value("dispatcher_device_events_refused_total") == 2
    assert registry.get_sample_value("dispatcher_alerts_refused_total") == 0


async def test_housekeeping_tells_of_events_apart_from_alerts(
    detector: Outbox,
    source: OutboxSource,
    metrics: Metrics,
    registry: CollectorRegistry,
    tmp_path: Path,
) -> None:
    for number in range(3):
        detector.append(_event(number))
    detector.append(_alert(3))
    first, *_ = await source.pending(after=0)
    await source.mark_sent([first.id])
    limits = Limits(keep_sent=timedelta(days=9), size_bytes_max=1)
    housekeeping = Housekeeping(source, limits, Checkpointer(tmp_path / "alert.db"), metrics)

    await housekeeping.evict(FakeClock())

    assert registry.get_sample_value("dispatcher_device_events_evicted_total") == 1
    assert registry.get_sample_value("dispatcher_heartbeats_evicted_total") == 2
    assert registry.get_sample_value("dispatcher_device_events_unsent") == 0
    assert registry.get_sample_value("dispatcher_alerts_unsent") == 1
