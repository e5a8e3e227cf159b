from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st
from ingress.handler import AlertHandler, DeviceEventHandler
from ingress.metrics import Metrics
from ingress.refusals import RowRefused
from maskwatch_proto import contract, event_contract
from maskwatch_proto.alert import Alert, Device, Image
from maskwatch_proto.device_event import DeviceEvent, Heartbeat
from maskwatch_runtime.errors import Unavailable
from maskwatch_runtime.kafka.message import Record
from maskwatch_runtime.testing import FakeClock
from prometheus_client import CollectorRegistry


class _Archive:
    """Keeps alerts by event id, all of a batch or none; refuses the ids it is told to."""

    def __init__(self, refused: Sequence[int] = ()) -> None:
        self.alerts: dict[UUID, Alert] = {}
        self.transactions: list[int] = []
        self.is_down = False
        self._refused = {UUID(int=number) for number in refused}

    async def insert(self, alerts: Sequence[Alert]) -> int:
        ids = [alert.event_id for alert in alerts]
        assert len(set(ids)) == len(ids), "the archive is promised distinct event ids"
        if self.is_down:
            raise Unavailable("postgres", "the test took it away")
        if self._refused & set(ids):
            raise RowRefused("violates a rule")
        before = len(self.alerts)
        self.alerts |= {alert.event_id: alert for alert in alerts}
        self.transactions.append(len(alerts))
        return len(self.alerts) - before


class _Service:
    """The handler with what stands around it."""

    def __init__(self, refused: Sequence[int] = ()) -> None:
        self.archive = _Archive(refused)
        self.registry = CollectorRegistry()
        self.wakes = 0
        self.handler = AlertHandler(
            self.archive,
            Metrics(self.registry),
            FakeClock(datetime(2026, 1, 1, 0, 1, tzinfo=UTC)),
            on_archived=self._wake,
        )

    def metric(self, name: str) -> float:
        return self.registry.get_sample_value(f"ingress_{name}") or 0.0

    def _wake(self) -> None:
        self.wakes += 1


def _with_value(record: Record, value: bytes) -> Record:
    return Record(record.topic, record.partition, record.offset, 0, None, value)


async def test_no_records_are_no_transaction() -> None:
    service = _Service()

    assert await service.handler.handle([]) == []
    assert service.archive.transactions == []
    assert service.wakes == 0


async def test_valid_records_are_archived_in_one_transaction(
    make_record: Callable[[int], Record], make_alert: Callable[[int], Alert]
) -> None:
    service = _Service()

    assert await service.handler.handle([make_record(n) for n in (1, 2, 3)]) == []

    assert service.archive.alerts == {UUID(int=n): make_alert(n) for n in (1, 2, 3)}
    assert service.archive.transactions == [3]
    assert service.wakes == 1
    assert service.metric("alerts_archived_total") == 3


async def test_invalid_records_are_named_and_their_neighbours_archived(
    make_record: Callable[[int], Record],
) -> None:
    service = _Service()
    empty, torn = _with_value(make_record(2), b""), _with_value(make_record(3), b"\xff\xff")

    rejected = await service.handler.handle([make_record(1), empty, torn, make_record(4)])

    assert [(one.record.offset, one.field, one.reason) for one in rejected] == [
        (2, "message", "is empty"),
        (3, "message", "is no protobuf message of type Alert"),
    ]
    assert sorted(service.archive.alerts) == [UUID(int=1), UUID(int=4)]
    assert service.archive.transactions == [2]


async def test_picture_that_unpacks_to_gigabytes_is_set_aside(
    make_alert: Callable[[int], Alert], make_record: Callable[[int], Record]
) -> None:
    service = _Service()
    header = b"GIF89a" + (60_000).to_bytes(2, "little") * 2
    huge = make_alert(2).model_copy(update={"image": Image(format="gif", data=header)})
    record = _with_value(make_record(2), contract.encode(huge))

    (rejected,) = await service.handler.handle([make_record(1), record])

    assert (rejected.record, rejected.field) == (record, "image")
    assert "60000 x 60000 pixels" in rejected.reason
    assert list(service.archive.alerts) == [UUID(int=1)]


async def test_nothing_but_invalid_records_touch_no_archive(
    make_record: Callable[[int], Record],
) -> None:
    service = _Service()
    service.archive.is_down = True

    rejected = await service.handler.handle([_with_value(make_record(1), b"")])

    assert len(rejected) == 1


async def test_record_twice_in_a_batch_is_archived_once(
    make_record: Callable[[int], Record],
) -> None:
    service = _Service()

    assert await service.handler.handle([make_record(1), make_record(1)]) == []

    assert list(service.archive.alerts) == [UUID(int=1)]
    assert service.metric("alerts_archived_total") == 1
    assert service.metric("alerts_repeated_total") == 1


async def test_redelivery_changes_nothing_and_wakes_nobody(
    make_record: Callable[[int], Record],
) -> None:
    service = _Service()
    await service.handler.handle([make_record(1), make_record(2)])

    assert await service.handler.handle([make_record(1), make_record(2)]) == []

    assert len(service.archive.alerts) == 2
    assert service.wakes == 1
    assert service.metric("alerts_repeated_total") == 2


async def test_away_database_rejects_nothing(make_record: Callable[[int], Record]) -> None:
    service = _Service(refused=[1])
    service.archive.is_down = True

    with pytest.raises(Unavailable):
        await service.handler.handle([make_record(1), _with_value(make_record(2), b"")])

    assert service.archive.alerts == {}
    assert service.wakes == 0


@given(
    numbers=st.lists(st.integers(0, 20), max_size=30),
    refused=st.sets(st.integers(0, 20), max_size=5),
)
async def test_exactly_the_rows_that_the_archive_refuses_are_rejected(
    numbers: list[int], refused: set[int]
) -> None:
    service = _Service(refused=sorted(refused))
    records = [_small_record(number) for number in numbers]

    rejected = await service.handler.handle(records)

    assert sorted(one.record.offset for one in rejected) == sorted(
        number for number in numbers if number in refused
    )
    assert {one.field for one in rejected} <= {"archive"}
    assert set(service.archive.alerts) == {UUID(int=n) for n in set(numbers) - refused}


async def test_delay_is_that_of_the_oldest_alert(make_record: Callable[[int], Record]) -> None:
    service = _Service()  # its clock stands at 00:01:00

    await service.handler.handle([make_record(50), make_record(20)])

    assert service.metric("delay_seconds_sum") == pytest.approx(40)


async def test_device_with_a_fast_clock_has_no_negative_delay(
    make_record: Callable[[int], Record],
) -> None:
    service = _Service()

    await service.handler.handle([make_record(3600)])

    assert service.metric("delay_seconds_sum") == 0
    assert service.metric("delay_seconds_count") == 1


def _small_record(number: int) -> Record:
    alert = Alert(
        event_id=UUID(int=number),
        event_time=datetime(2026, 1, 1, tzinfo=UTC),
        device=Device(guid="door"),
        probability=0.5,
    )
    return Record("alert-topic", 0, number, 0, None, contract.encode(alert))


class _Events:
    """Keeps device events in the order of their arrival; refuses the sequences it is told to."""

    def __init__(self, refused: Sequence[int] = ()) -> None:
        self.sequences: list[int] = []
        self._refused = set(refused)

    async def insert(self, events: Sequence[DeviceEvent]) -> int:
        sequences = [event.sequence for event in events]
        if self._refused & set(sequences):
            raise RowRefused("violates a rule")
        new = [sequence for sequence in sequences if sequence not in self.sequences]
        self.sequences += new
        return len(new)


def _event_record(number: int) -> Record:
    event = DeviceEvent(
        event_id=UUID(int=number),
        event_time=datetime(2026, 1, 1, tzinfo=UTC),
        device=Device(guid="door"),
        sequence=number,
        happening=Heartbeat(uptime_s=1),
    )
    return Record("device-event-topic", 0, number, 0, None, event_contract.encode(event))


async def test_device_events_are_archived_in_order_around_what_is_invalid() -> None:
    archive, registry, wakes = _Events(refused=[5]), CollectorRegistry(), []
    handler = DeviceEventHandler(
        archive,
        Metrics(registry),
        FakeClock(datetime(2026, 1, 1, tzinfo=UTC)),
        on_archived=lambda: wakes.append(1),
    )
    alert = _with_value(_event_record(4), _small_record(4).value)

    rejected = await handler.handle(
        [_event_record(9), _event_record(2), alert, _event_record(5), _event_record(2)]
    )

    assert archive.sequences == [9, 2]
    found = [(one.record.offset, one.field) for one in rejected]
    assert found == [(4, "schema_version"), (5, "archive")]
    assert wakes
    assert registry.get_sample_value("ingress_device_events_archived_total") == 2
    assert registry.get_sample_value("ingress_alerts_archived_total") == 0
