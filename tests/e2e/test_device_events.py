"""An alert and everything else that a device tells, from its outbox to the archive, twice."""

import json
from contextlib import closing
from datetime import UTC, datetime, timedelta
from uuid import uuid4

import asyncpg
from aiokafka import AIOKafkaConsumer, TopicPartition
from devstack.system import System
from maskwatch_proto import notification
from maskwatch_proto.alert import Device, Label
from maskwatch_proto.device_event import (
    CameraChanged,
    CameraState,
    Compliance,
    DeviceEvent,
    EpisodeEnded,
    Happening,
    Heartbeat,
)
from maskwatch_runtime.kafka import topics
from maskwatch_runtime.outbox.outbox import Outbox

from devstack import ledger, load

_GROUPS = {topics.ALERT: "ingress", topics.DEVICE_EVENT: "ingress-device-event"}
_PARTITIONS = 6


def _events() -> list[DeviceEvent]:
    at = datetime.now(UTC)
    happenings: tuple[Happening, ...] = (
        CameraChanged(state=CameraState.DOWN, reason="unplugged", since=at),
        EpisodeEnded(
            episode_id=uuid4(),
            started_at=at,
            duration_s=3.5,
            label=Label.NO_MASK,
            violated=True,
        ),
        Compliance(
            window_start=at,
            window_s=900,
            observed_s=900,
            people=1,
            with_mask=0,
            without_mask=1,
            badly_worn=0,
            unsure=0,
        ),
        Heartbeat(version="1.0", uptime_s=60),
        CameraChanged(state=CameraState.UP, since=at + timedelta(seconds=9), down_s=9),
    )
    return [
        DeviceEvent(
            event_id=uuid4(),
            event_time=at + timedelta(seconds=number),
            device=Device(guid="device-1"),
            camera="door",
            boot_id="boot-1",
            sequence=number,
            happening=happening,
        )
        for number, happening in enumerate(happenings)
    ]


async def _rows(system: System) -> list[tuple[object, ...]]:
    connection = await asyncpg.connect(system.dsn())
    try:
        return [
            tuple(row)
            for statement in (
                "SELECT id, event_id FROM alert",
                "SELECT id, event_id, kind, sequence, detail FROM device_event ORDER BY id",
                "SELECT id, device_event_id, published_at FROM event_notification_request",
            )
            for row in await connection.fetch(statement)
        ]
    finally:
        await connection.close()


async def _messages(system: System, topic: str) -> list[bytes]:
    """Return the values that the topic holds now."""
    partitions = [TopicPartition(topic, number) for number in range(_PARTITIONS)]
    consumer = AIOKafkaConsumer(
        bootstrap_servers=system.infra.kafka.bootstrap, auto_offset_reset="earliest"
    )
    await consumer.start()
    try:
        consumer.assign(partitions)
        ends = await consumer.end_offsets(partitions)
        found: list[bytes] = []
        while len(found) < sum(ends.values()):
            for records in (await consumer.getmany(timeout_ms=200)).values():
                found += [record.value for record in records]
    finally:
        await consumer.stop()
    return found


async def _begin_anew(system: System, topic: str) -> None:
    """Set the group that reads a topic back to its beginning."""
    partitions = [TopicPartition(topic, number) for number in range(_PARTITIONS)]
    consumer = AIOKafkaConsumer(
        bootstrap_servers=system.infra.kafka.bootstrap,
        group_id=_GROUPS[topic],
        enable_auto_commit=False,
    )
    await consumer.start()
    try:
        consumer.assign(partitions)
        await consumer.commit(dict.fromkeys(partitions, 0))
    finally:
        await consumer.stop()


async def _deliver_again(system: System) -> None:
    """Let the device publish everything once more, and ingress read everything from the start."""
    system.dispatcher.stop()
    system.ingress.stop()
    with closing(Outbox.open(system.outbox)) as outbox:
        for table in ("alert", "device_event"):
            outbox.connection.execute(f"UPDATE {table} SET sent = 0")  # noqa: S608 - our own names
    for topic in _GROUPS:
        await _begin_anew(system, topic)
    system.dispatcher.start()
    system.ingress.start()


async def test_everything_a_device_tells_is_archived_once_however_often_it_comes(
    system: System,
) -> None:
    alert, events = load.alert(9), _events()
    with closing(Outbox.open(system.outbox)) as outbox:
        for event in events[:2]:
            outbox.append(event)
        outbox.append(alert)
        for event in events[2:]:
            outbox.append(event)
    # Two cameras changed: both requests are acknowledged.
    system.ingress.process.wait_until(
        lambda: system.ingress.metric("ingress_event_notifications_requested_total") == 2,
        timeout_s=60,
    )
    await ledger.until_settled(system.outbox, system.dsn(), timeout_s=60)
    before = await _rows(system)

    await _deliver_again(system)
    system.ingress.process.wait_until(
        lambda: (
            system.ingress.metric("ingress_alerts_repeated_total") == 2
            and system.ingress.metric("ingress_device_events_repeated_total") == 2 * len(events)
        ),
        timeout_s=60,
    )

    assert await _rows(system) == before
    archived, requests = before[1 : 1 + len(events)], before[1 + len(events) :]
    assert before[0][1] == alert.event_id
    assert [row[1:4] for row in archived] == [
        (event.event_id, event.happening.kind, event.sequence) for event in events
    ]
    details = [json.loads(str(row[4])) for row in archived]
    assert [detail.get("reason", "") for detail in details] == ["unplugged", "", "", "", ""]
    changed = [archived[0][0], archived[-1][0]]
    assert [row[1] for row in requests] == changed
    asked = await _messages(system, topics.NOTIFY_EVENT)
    assert [notification.decode(value) for value in asked] == changed
    # The topic that the original programs read has met nothing but the alert, twice.
    assert len(await _messages(system, topics.ALERT)) == 2
    assert len(await _messages(system, topics.DEVICE_EVENT)) == 2 * len(events)
