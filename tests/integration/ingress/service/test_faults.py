"""Dependencies that go away and processes that die; after each, what was made is archived once."""

import asyncio
import random
from collections.abc import Awaitable, Callable, Mapping
from typing import Protocol
from uuid import UUID

import asyncpg
from aiokafka import ConsumerRecord
from devstack.kafka import Kafka
from devstack.postgres import Postgres
from devstack.service import Service
from maskwatch_proto import contract
from maskwatch_proto.alert import Alert
from maskwatch_runtime.kafka import topics

MakeAlert = Callable[..., Alert]
MakeService = Callable[..., Service]
Connect = Callable[[str], Awaitable[asyncpg.Connection]]


class Wire(Protocol):
    broker: Kafka

    async def publish(self, values: list[bytes], **options: object) -> None: ...
    async def messages(self, topic: str) -> list[ConsumerRecord]: ...
    async def committed(self, group: str) -> int: ...


async def _until(condition: Callable[[], Awaitable[bool]], *, timeout_s: float = 60) -> None:
    async with asyncio.timeout(timeout_s):
        while not await condition():
            await asyncio.sleep(0.05)


async def _until_settled(dsn: str, count: int) -> None:
    """Wait until so many alerts are archived and all of their requests published."""

    async def is_settled() -> bool:
        connection = await asyncpg.connect(dsn)
        try:
            found: bool = await connection.fetchval(
                "SELECT (SELECT count(*) FROM alert) >= $1 AND"
                " NOT EXISTS (SELECT FROM notification_request WHERE published_at IS NULL)",
                count,
            )
        finally:
            await connection.close()
        return found

    await _until(is_settled)


async def _archived_ids(dsn: str) -> tuple[set[UUID], int, int]:
    """Return the event ids, the number of alerts and that of requests."""
    connection = await asyncpg.connect(dsn)
    rows = await connection.fetch("SELECT event_id FROM alert")
    requests: int = await connection.fetchval("SELECT count(*) FROM notification_request")
    await connection.close()
    return {row["event_id"] for row in rows}, len(rows), requests


async def test_away_database_commits_nothing_and_work_goes_on_when_it_is_back(
    wire: Wire,
    make_service: MakeService,
    make_alert: MakeAlert,
    postgres_server: Postgres,
    database: str,
    variables: Mapping[str, str],
) -> None:
    service = make_service()
    await asyncio.to_thread(service.start)
    alerts = [make_alert() for _ in range(30)]
    await asyncio.to_thread(postgres_server.stop)
    try:
        await wire.publish([contract.encode(alert) for alert in alerts])

        async def is_not_ready() -> bool:
            return not await asyncio.to_thread(service.is_ready)

        await _until(is_not_ready)
        assert service.is_live()
        assert await wire.committed(variables["MASKWATCH_CONSUMER_GROUP"]) == 0
    finally:
        await asyncio.to_thread(postgres_server.start)

    await _until_settled(database, 30)

    async def is_ready() -> bool:
        return await asyncio.to_thread(service.is_ready)

    await _until(is_ready)
    assert await wire.messages(topics.ALERT_DEAD_LETTERS) == []
    assert await _archived_ids(database) == ({alert.event_id for alert in alerts}, 30, 30)
    assert service.stop() == 0
    assert await wire.committed(variables["MASKWATCH_CONSUMER_GROUP"]) == 30


async def test_kill_between_database_and_offset_commit_repeats_nothing(
    wire: Wire,
    make_service: MakeService,
    make_alert: MakeAlert,
    connect_as: Connect,
    database: str,
    variables: Mapping[str, str],
) -> None:
    service = make_service()
    await asyncio.to_thread(service.start)
    blocker, watcher = await connect_as("postgres"), await connect_as("postgres")
    alerts = [make_alert() for _ in range(10)]
    async with blocker.transaction():
        await blocker.execute("LOCK TABLE alert IN EXCLUSIVE MODE")
        await wire.publish([contract.encode(alert) for alert in alerts], partition=0)

        async def is_waiting() -> bool:
            found: bool = await watcher.fetchval(
                "SELECT EXISTS (SELECT FROM pg_stat_activity WHERE wait_event_type = 'Lock'"
                " AND datname = current_database())"
            )
            return found

        await _until(is_waiting)
        # The service has its records. Now the broker freezes, then the database goes on.
        wire.broker.pause()
    try:

        async def is_archived() -> bool:
            count: int = await watcher.fetchval("SELECT count(*) FROM alert")
            return count > 0

        await _until(is_archived)
        service.kill()
    finally:
        # What the service asked of the frozen broker, such as to commit, dies with it.
        await asyncio.to_thread(wire.broker.kill)
        await asyncio.to_thread(wire.broker.start)
    assert await wire.committed(variables["MASKWATCH_CONSUMER_GROUP"]) == 0

    await asyncio.to_thread(make_service().start)
    await _until_settled(database, 10)

    assert await _archived_ids(database) == ({alert.event_id for alert in alerts}, 10, 10)
    requests = await wire.messages(topics.NOTIFY)
    assert len({request.value for request in requests}) == 10


async def test_kill_at_any_moment_under_load_loses_and_repeats_nothing(
    wire: Wire, make_service: MakeService, make_alert: MakeAlert, database: str
) -> None:
    moments = random.Random(7)  # noqa: S311 - no secret
    alerts = [make_alert() for _ in range(3000)]
    publishing = asyncio.create_task(wire.publish([contract.encode(alert) for alert in alerts]))
    for _ in range(5):
        service = make_service()
        service.begin()
        await asyncio.sleep(moments.uniform(0.6, 1.6))
        service.kill()
    await publishing

    await asyncio.to_thread(make_service().start)
    await _until_settled(database, 3000)

    assert await _archived_ids(database) == ({alert.event_id for alert in alerts}, 3000, 3000)
    requests = await wire.messages(topics.NOTIFY)
    assert len({request.value for request in requests}) == 3000


async def test_too_many_invalid_are_held_until_somebody_lets_them_pass(
    wire: Wire,
    make_service: MakeService,
    make_alert: MakeAlert,
    database: str,
    variables: Mapping[str, str],
) -> None:
    invalid = [f"no alert {number}".encode() for number in range(200)]
    good = make_alert()
    await wire.publish([*invalid, contract.encode(good)], partition=0)
    service = make_service(dead_letters_max="50", batch_records="20")
    service.begin()

    async def is_held() -> bool:
        return "MASKWATCH_DEAD_LETTERS_MAX" in await asyncio.to_thread(service.log)

    await _until(is_held)
    assert not service.is_ready()
    assert service.is_live()
    assert service.stop() == 0
    committed = await wire.committed(variables["MASKWATCH_CONSUMER_GROUP"])
    letters = {letter.value for letter in await wire.messages(topics.ALERT_DEAD_LETTERS)}
    assert committed <= 50
    assert set(invalid[:committed]) <= letters

    # Somebody has looked, and lets it pass.
    await asyncio.to_thread(make_service(dead_letters_max="1000").start)
    await _until_settled(database, 1)

    assert await _archived_ids(database) == ({good.event_id}, 1, 1)

    async def are_all_kept() -> bool:
        letters = await wire.messages(topics.ALERT_DEAD_LETTERS)
        return {letter.value for letter in letters} == set(invalid)

    await _until(are_all_kept)


async def test_restarted_broker_is_used_again(
    wire: Wire, make_service: MakeService, make_alert: MakeAlert, database: str
) -> None:
    await asyncio.to_thread(make_service().start)
    alerts = [make_alert() for _ in range(20)]
    await wire.publish([contract.encode(alert) for alert in alerts[:10]])
    await _until_settled(database, 10)

    await asyncio.to_thread(wire.broker.restart)
    await wire.publish([contract.encode(alert) for alert in alerts[10:]])

    await _until_settled(database, 20)
    assert await _archived_ids(database) == ({alert.event_id for alert in alerts}, 20, 20)
