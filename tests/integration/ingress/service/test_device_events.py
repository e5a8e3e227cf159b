"""Device events through the service as a process, beside its alerts."""

import asyncio
from collections.abc import Callable, Mapping
from typing import Protocol

import asyncpg
from aiokafka import ConsumerRecord
from devstack.service import Service
from maskwatch_proto import contract, event_contract
from maskwatch_proto.alert import Alert
from maskwatch_proto.device_event import DeviceEvent, Heartbeat
from maskwatch_runtime.kafka import topics

MakeAlert = Callable[..., Alert]
MakeEvent = Callable[..., DeviceEvent]
MakeService = Callable[..., Service]


class Wire(Protocol):
    async def publish(self, values: list[bytes], **options: object) -> None: ...
    async def messages(self, topic: str) -> list[ConsumerRecord]: ...
    async def committed(self, group: str) -> int: ...
    async def delete_topics(self, *names: str) -> None: ...
    async def empty(self) -> None: ...


async def _until_metric(service: Service, name: str, value: float) -> None:
    async with asyncio.timeout(60):
        while await asyncio.to_thread(service.metric, f"ingress_{name}_total") < value:
            await asyncio.sleep(0.1)


async def test_poison_among_events_goes_to_their_dead_letters_and_the_rest_is_archived(
    wire: Wire,
    make_service: MakeService,
    archived: asyncpg.Connection,
    make_alert: MakeAlert,
    make_event: MakeEvent,
    variables: Mapping[str, str],
) -> None:
    await asyncio.to_thread((service := make_service()).start)
    events = [make_event(Heartbeat(uptime_s=n), sequence=n) for n in range(6)]
    values = [event_contract.encode(event) for event in events]
    poison = {
        b"": ("message", "is empty"),
        b"\xff\x00 random": ("message", "is no protobuf message of type DeviceEvent"),
        values[0][:-3]: ("schema_version", "is missing: the message was cut short"),
        values[0][:-1] + b"\x02": ("schema_version", "is 2, this reader knows up to 1: upgrade it"),
    }
    for number, bad in enumerate(poison):
        values.insert(2 * number + 1, bad)

    await wire.publish(values, topic=topics.DEVICE_EVENT, partition=3, key=b"door-1")
    await wire.publish([contract.encode(make_alert())])
    await _until_metric(service, "device_events_archived", 6)
    await _until_metric(service, "device_events_rejected", 4)
    await _until_metric(service, "alerts_archived", 1)

    rows = await archived.fetch("SELECT event_id FROM device_event ORDER BY id")
    assert [row["event_id"] for row in rows] == [event.event_id for event in events]
    letters = await wire.messages(topics.DEVICE_EVENT_DEAD_LETTERS)
    found = {letter.value: dict(letter.headers) for letter in letters}
    assert {
        value: (headers["dlq.field"].decode(), headers["dlq.reason"].decode())
        for value, headers in found.items()
    } == poison
    assert {headers["dlq.topic"] for headers in found.values()} == {b"device-event-topic"}
    assert await wire.messages(topics.ALERT_DEAD_LETTERS) == []
    assert service.stop() == 0
    group = variables["MASKWATCH_CONSUMER_GROUP"]
    assert await wire.committed(f"{group}-device-event") == len(values)
    assert await wire.committed(group) == 1


async def test_topic_that_is_not_there_yet_holds_no_alert_up(
    wire: Wire,
    make_service: MakeService,
    archived: asyncpg.Connection,
    make_alert: MakeAlert,
) -> None:
    await wire.delete_topics(topics.DEVICE_EVENT, topics.NOTIFY_EVENT)
    await asyncio.to_thread((service := make_service()).begin)

    await wire.publish([contract.encode(make_alert())])
    await _until_metric_of_a_young_service(service, "alerts_archived", 1)

    assert await archived.fetchval("SELECT count(*) FROM alert") == 1
    assert service.stop() == 0


async def _until_metric_of_a_young_service(service: Service, name: str, value: float) -> None:
    async with asyncio.timeout(60):
        while not await asyncio.to_thread(service.is_live):
            await asyncio.sleep(0.1)
    await _until_metric(service, name, value)
