import asyncio
from collections.abc import Awaitable, Callable, Mapping
from typing import Protocol

import asyncpg
import pytest
from aiokafka import ConsumerRecord
from devstack.processes import ProcessError
from devstack.service import Service
from maskwatch_proto import contract, notification
from maskwatch_proto.alert import Alert, Device
from maskwatch_runtime.kafka import topics

from devstack import ports

MakeAlert = Callable[..., Alert]
MakeService = Callable[..., Service]
_MISCONFIGURED = 78
# An original dispatcher's message: fields 1, 2 (guid "door-1") and 6 of the contract, no event id.
_ORIGINAL = bytes.fromhex(
    "0a 1a 32 30 32 36 2d 30 31 2d 30 32 20 30 33 3a 30 34 3a 30 35 2e 36 37 38 39 30 30"
    "12 08 12 06 64 6f 6f 72 2d 31"
    "35 00 00 60 3f"
)


class Wire(Protocol):
    async def publish(self, values: list[bytes], **options: object) -> None: ...
    async def messages(self, topic: str) -> list[ConsumerRecord]: ...
    async def committed(self, group: str) -> int: ...
    async def delete_topics(self) -> None: ...


async def _until(condition: Callable[[], Awaitable[bool]], *, timeout_s: float = 30) -> None:
    async with asyncio.timeout(timeout_s):
        while not await condition():
            await asyncio.sleep(0.05)


async def _all_published(archived: asyncpg.Connection, count: int) -> None:
    async def are_published() -> bool:
        published: int = await archived.fetchval(
            "SELECT count(*) FROM notification_request WHERE published_at IS NOT NULL"
        )
        return published >= count

    await _until(are_published)


async def test_alerts_are_archived_and_asked_for(
    wire: Wire, make_service: MakeService, archived: asyncpg.Connection, make_alert: MakeAlert
) -> None:
    service = make_service()
    await asyncio.to_thread(service.start)
    alerts = [make_alert() for _ in range(20)]

    await wire.publish([contract.encode(alert) for alert in alerts], key=b"door-1")
    await _all_published(archived, 20)

    rows = await archived.fetch("SELECT id, event_id FROM alert")
    assert {row["event_id"] for row in rows} == {alert.event_id for alert in alerts}
    requests = await wire.messages(topics.NOTIFY)
    numbers = [notification.decode(request.value) for request in requests]
    assert sorted(numbers) == sorted(row["id"] for row in rows)
    assert {request.key for request in requests} == {b"door-1"}
    assert service.metric("ingress_alerts_archived_total") == 20
    assert service.metric("ingress_notifications_requested_total") == 20
    assert service.is_live()
    assert service.stop() == 0


async def test_redelivery_of_everything_changes_nothing(
    wire: Wire,
    make_service: MakeService,
    archived: asyncpg.Connection,
    make_alert: MakeAlert,
    variables: Mapping[str, str],
) -> None:
    await wire.publish([contract.encode(make_alert()) for _ in range(50)])
    first = make_service()
    await asyncio.to_thread(first.start)
    await _all_published(archived, 50)
    assert first.stop() == 0
    assert await wire.committed(variables["MASKWATCH_CONSUMER_GROUP"]) == 50

    # Another group starts at the beginning: the same as offsets set back to it.
    second = make_service(consumer_group="from-the-beginning")
    await asyncio.to_thread(second.start)

    async def are_repeated() -> bool:
        return second.metric("ingress_alerts_repeated_total") == 50

    await _until(are_repeated)
    assert second.stop() == 0
    for table in ("alert", "image", "notification_request"):
        assert await archived.fetchval(f"SELECT count(*) FROM {table}") == 50  # noqa: S608
    assert len(await wire.messages(topics.NOTIFY)) == 50


async def test_original_message_is_archived_once_however_often_it_comes(
    wire: Wire, make_service: MakeService, archived: asyncpg.Connection
) -> None:
    await asyncio.to_thread((service := make_service()).start)

    for _ in range(3):
        await wire.publish([_ORIGINAL, _ORIGINAL])

    async def are_all_read() -> bool:
        return service.metric("ingress_alerts_repeated_total") == 5

    await _until(are_all_read)
    (row,) = await archived.fetch("SELECT device_id, label, probability FROM alert")
    assert tuple(row) == ("door-1", None, 0.875)
    assert len(await wire.messages(topics.NOTIFY)) <= 1


async def test_poison_goes_to_the_dead_letters_and_its_neighbours_to_the_archive(
    wire: Wire, make_service: MakeService, archived: asyncpg.Connection, make_alert: MakeAlert
) -> None:
    await asyncio.to_thread((service := make_service()).start)
    good = [make_alert() for _ in range(6)]
    # Field 17, schema_version, says 2.
    future = contract.encode(make_alert()).replace(b"\x88\x01\x01", b"\x88\x01\x02")
    poison = {
        b"": ("message", "is empty"),
        b"\xff\x00 random": ("message", "is no protobuf message of type Alert"),
        contract.encode(good[0])[:40]: ("message", "is no protobuf message of type Alert"),
        future: ("schema_version", "is 2, this reader knows up to 1: upgrade it"),
        bytes(contract.SIZE_BYTES_MAX + 1): ("message", "has 4194305 bytes"),
    }
    values = [contract.encode(alert) for alert in good]
    for number, bad in enumerate(poison):
        values.insert(2 * number + 1, bad)

    await wire.publish(values, partition=3, key=b"k", headers=[("traceparent", b"00-1-2-01")])
    await _all_published(archived, 6)

    async def are_rejected() -> bool:
        return service.metric("ingress_messages_rejected_total") >= len(poison)

    await _until(are_rejected)
    letters = {letter.value: letter for letter in await wire.messages(topics.ALERT_DEAD_LETTERS)}
    assert set(letters) == set(poison)
    for value, letter in letters.items():
        headers = dict(letter.headers)
        field, reason = poison[value]
        assert headers["dlq.field"].decode() == field
        assert headers["dlq.reason"].decode().startswith(reason)
        assert (headers["dlq.topic"], headers["dlq.partition"]) == (b"alert-topic", b"3")
        assert headers["dlq.offset"] == str(values.index(value)).encode()
        assert headers["traceparent"] == b"00-1-2-01"
        assert letter.key == b"k"
    found = {row["event_id"] for row in await archived.fetch("SELECT event_id FROM alert")}
    assert found == {alert.event_id for alert in good}
    assert service.is_running


async def test_message_that_was_small_only_when_compressed_holds_nothing_up(
    wire: Wire, make_service: MakeService, archived: asyncpg.Connection, make_alert: MakeAlert
) -> None:
    await asyncio.to_thread(make_service().start)
    values = [
        bytes(10_000_000),
        # As large as the topic takes: the letter is larger by the reason.
        bytes(topics.MESSAGE_BYTES_MAX - 200),
        contract.encode(make_alert()),
    ]

    await wire.publish(values, partition=0)
    await _all_published(archived, 1)

    async def are_rejected() -> bool:
        return len(await wire.messages(topics.ALERT_DEAD_LETTERS)) == 2

    await _until(are_rejected)
    letters = await wire.messages(topics.ALERT_DEAD_LETTERS)
    found = [(len(one.value), dict(one.headers).get("dlq.size_bytes")) for one in letters]
    assert sorted(found) == [
        (1024 * 1024, b"10000000"),
        (topics.MESSAGE_BYTES_MAX - 200, None),
    ]


async def test_service_without_broker_and_database_waits_and_says_so(
    make_service: MakeService,
) -> None:
    kafka_port, postgres_port = ports.free(2)
    service = make_service(
        kafka_bootstrap=f"127.0.0.1:{kafka_port}", postgres_port=str(postgres_port)
    )
    service.begin()

    async def is_live() -> bool:
        return await asyncio.to_thread(service.is_live)

    await _until(is_live)
    assert not service.is_ready()
    assert service.stop() == 0


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"postgres_host": None}, "MASKWATCH_POSTGRES_HOST: Field required"),
        ({"kafka_bootstrap": None}, "MASKWATCH_KAFKA_BOOTSTRAP: Field required"),
        ({"writers": "0"}, "MASKWATCH_WRITERS: Input should be greater"),
        ({"batch_records": "many"}, "MASKWATCH_BATCH_RECORDS: Input should be a valid integer"),
        ({"postgres_password": "wrong-one"}, "MASKWATCH_POSTGRES_USER"),
    ],
    ids=lambda value: next(iter(value)) if isinstance(value, dict) else None,
)
async def test_senseless_setting_stops_the_service_and_is_named(
    changes: dict[str, str | None], said: str, wire: Wire, make_service: MakeService
) -> None:
    assert await wire.messages(topics.ALERT) == []
    service = make_service(**changes)
    service.begin()

    status = await asyncio.to_thread(service.process.wait, 30)

    assert status == _MISCONFIGURED
    assert said in service.process.log_tail()
    assert "wrong-one" not in service.process.log_tail()


async def test_topics_are_created_once(wire: Wire, make_service: MakeService) -> None:
    assert await wire.messages(topics.NOTIFY) == []

    await asyncio.to_thread(make_service().step, "topics")


async def test_more_replicas_than_brokers_are_refused(
    wire: Wire, make_service: MakeService
) -> None:
    await wire.delete_topics()
    service = make_service(kafka_replication="3")

    with pytest.raises(ProcessError, match=f"status {_MISCONFIGURED}"):
        await asyncio.to_thread(service.step, "topics")


async def test_alert_of_a_device_nobody_knows_is_archived(
    wire: Wire, make_service: MakeService, archived: asyncpg.Connection, make_alert: MakeAlert
) -> None:
    await asyncio.to_thread(make_service().start)

    await wire.publish([contract.encode(make_alert(device=Device(guid="never seen")))])
    await _all_published(archived, 1)

    assert await archived.fetchval("SELECT id FROM device") == "never seen"
