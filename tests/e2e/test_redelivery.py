"""Every message of alert-topic is consumed twice."""

from contextlib import closing

import asyncpg
from aiokafka import AIOKafkaConsumer, TopicPartition
from devstack.system import System
from maskwatch_runtime.kafka import topics
from maskwatch_runtime.outbox.outbox import Outbox

from devstack import ledger, load

_ALERTS = 200


async def _reset_offsets(system: System) -> int:
    """Set the ingress group back to the beginning; return how many messages lie before it."""
    partitions = [TopicPartition(topics.ALERT, number) for number in range(6)]
    consumer = AIOKafkaConsumer(
        bootstrap_servers=system.infra.kafka.bootstrap, group_id="ingress", enable_auto_commit=False
    )
    await consumer.start()
    try:
        consumer.assign(partitions)
        ends = await consumer.end_offsets(partitions)
        await consumer.commit(dict.fromkeys(partitions, 0))
    finally:
        await consumer.stop()
    return sum(ends.values())


async def _rows(system: System) -> list[tuple[object, ...]]:
    connection = await asyncpg.connect(system.dsn())
    try:
        rows = await connection.fetch("SELECT id, event_id FROM alert ORDER BY id")
        requests = await connection.fetch("SELECT id, alert_id FROM notification_request")
    finally:
        await connection.close()
    return [tuple(row) for row in rows] + sorted(tuple(row) for row in requests)


async def test_redelivery_leaves_the_same_rows_and_sends_no_mail(system: System) -> None:
    with closing(Outbox.open(system.outbox)) as outbox:
        for number in range(_ALERTS):
            outbox.append(load.alert(number))
    await ledger.until_settled(system.outbox, system.dsn(), timeout_s=60)
    before = await _rows(system)
    async with system.infra.inbox.client() as inbox:
        mails = (await inbox.summary()).total

        system.ingress.stop()
        messages = await _reset_offsets(system)
        system.ingress.start()
        system.ingress.process.wait_until(
            lambda: system.ingress.metric("ingress_alerts_repeated_total") >= messages,
            timeout_s=60,
        )
        counts = await ledger.until_settled(system.outbox, system.dsn(), timeout_s=60)

        assert messages == _ALERTS
        assert await _rows(system) == before
        assert (await inbox.summary()).total == mails == counts.mailed == 2 * _ALERTS
