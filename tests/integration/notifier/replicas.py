"""Notifiers in this process, without Kafka: requests are handed to their handlers."""

import asyncio
from dataclasses import dataclass
from typing import Any

from devstack.inbox import Inbox
from maskwatch_proto import notification
from maskwatch_runtime.clock import SystemClock
from maskwatch_runtime.health import Health
from maskwatch_runtime.kafka import consumer as consuming
from maskwatch_runtime.kafka import topics
from maskwatch_runtime.kafka.message import Record
from maskwatch_runtime.postgres import Pool
from notifier import app
from notifier.handler import Handler
from notifier.metrics import Metrics
from notifier.sender import Sender
from notifier.settings import NotifierSettings
from prometheus_client import CollectorRegistry

from tests.integration.notifier.archive import DEADLINE_S
from tests.integration.notifier.settings import settings_of


def record(value: bytes) -> Record:
    return Record(topics.NOTIFY, 0, 0, 0, None, value)


@dataclass
class Replica:
    """One of them."""

    handler: Handler
    cameras: consuming.Handler
    sender: Sender
    health: Health
    registry: CollectorRegistry
    stop: asyncio.Event
    _pool: Pool
    _running: "asyncio.Task[None] | None" = None

    def start(self) -> None:
        self._running = asyncio.create_task(self.sender.run(self.stop))

    async def ask(self, *alert_ids: int) -> None:
        rejected = await self.handler.handle(
            [record(notification.encode(alert_id)) for alert_id in alert_ids]
        )
        assert not rejected

    async def ask_cameras(self, *event_ids: int) -> None:
        rejected = await self.cameras.handle(
            [record(notification.encode(number)) for number in event_ids]
        )
        assert not rejected

    def metric(self, name: str, **labels: str) -> float:
        return self.registry.get_sample_value(name, labels) or 0.0

    async def end(self) -> None:
        self.stop.set()
        running, self._running = self._running, None
        if running is not None:
            async with asyncio.timeout(DEADLINE_S):
                await running
        await self._pool.close()


def build(settings: NotifierSettings) -> Replica:
    registry = CollectorRegistry()
    health = Health(SystemClock())
    pool = Pool(settings, size=4)
    wired = app.wire(settings, pool, Metrics(registry), health)
    return Replica(
        wired.alerts, wired.cameras, wired.sender, health, registry, asyncio.Event(), pool
    )


class Replicas:
    """Makes notifiers and ends them all."""

    def __init__(self, database: str, inbox: Inbox) -> None:
        self._database = database
        self._inbox = inbox
        self._made: list[Replica] = []

    def make(self, **changed: Any) -> Replica:
        port = changed.pop("smtp_port", self._inbox.smtp_port)
        replica = build(settings_of(self._database, port, **changed))
        self._made.append(replica)
        return replica

    def start(self, **changed: Any) -> Replica:
        replica = self.make(**changed)
        replica.start()
        return replica

    async def end(self) -> None:
        for replica in self._made:
            await replica.end()
