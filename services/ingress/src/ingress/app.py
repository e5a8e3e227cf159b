"""Builds the service, runs it, and takes it down in reverse; and the two steps before it."""

import asyncio
from collections.abc import Coroutine
from pathlib import Path
from typing import Any

import structlog
from maskwatch_runtime import admin, migrations
from maskwatch_runtime.clock import SystemClock
from maskwatch_runtime.health import Health
from maskwatch_runtime.kafka import topics
from maskwatch_runtime.kafka.consumer import Consumer, Handler, Subscription
from maskwatch_runtime.kafka.dead_letters import DeadLetters
from maskwatch_runtime.kafka.publisher import KafkaPublisher
from maskwatch_runtime.lifecycle import supervise
from maskwatch_runtime.postgres import Pool
from maskwatch_runtime.relay import Relay
from maskwatch_runtime.retry import Backoff, until_available
from prometheus_client import CollectorRegistry

from ingress import requests, sequences
from ingress.archive import Archive
from ingress.event_archive import EventArchive
from ingress.handler import AlertHandler, DeviceEventHandler
from ingress.metrics import Metrics, Stream
from ingress.requests import RequestSource
from ingress.settings import IngressSettings, MigrateSettings, TopicsSettings

MIGRATIONS = Path(__file__).parent / "migrations"
VERSION_TABLE = "ingress_schema_version"
_log = structlog.get_logger()


# Events are small: what is fetched of them ahead need not be much.
_EVENT_FETCH_BYTES = 256 * 1024
_RELAY_CAP_S = 3.0  # so long after PostgreSQL or Kafka is back, requests may wait


async def serve(settings: IngressSettings, stop: asyncio.Event) -> None:
    """Archive alerts and device events and ask for their notifications until `stop` is set.

    Raises:
        Misconfigured: The database refuses the user, or a port cannot be had.
    """
    clock = SystemClock()
    registry = CollectorRegistry()
    metrics = Metrics(registry)
    health = Health(clock, stalled_after_s=settings.stalled_after_s)
    health.missing("kafka", "not connected yet")
    pool = Pool(settings, size=settings.writers + 2)  # for events, and a look
    alerts = RequestSource(settings, requests.ALERTS, metrics.alerts)
    events = RequestSource(settings, requests.DEVICE_EVENTS, metrics.device_events)
    lanes = (
        Lane(
            settings,
            subscription(settings),
            AlertHandler(Archive(pool, clock), metrics, clock, on_archived=alerts.wake),
            metrics.alerts,
            alerts,
        ),
        Lane(
            settings,
            event_subscription(settings),
            DeviceEventHandler(EventArchive(pool, clock), metrics, clock, on_archived=events.wake),
            metrics.device_events,
            events,
        ),
    )
    application = admin.application(health, registry)
    host, port = settings.admin_host, settings.admin_port
    try:
        await supervise(
            stop,
            admin.serve(application, host=host, port=port, stop=stop),
            *(loop for lane in lanes for loop in lane.loops(health, stop)),
            sequences.watch(pool, metrics.oddities, every_s=settings.sequence_check_s, stop=stop),
        )
    finally:
        for lane in lanes:
            await lane.close()
        await pool.close()


class Lane:
    """One topic into the archive, and its requests out of it; nothing is shared but the pool."""

    def __init__(
        self,
        settings: IngressSettings,
        topic: Subscription,
        handler: Handler,
        stream: Stream,
        source: RequestSource,
    ) -> None:
        self._settings = settings
        self._subscription = topic
        self._handler = handler
        self._stream = stream
        self._source = source
        # Two producers: one that waits for a picture's megabytes must not hold up the requests.
        self._rejecting, self._requesting = KafkaPublisher(settings), KafkaPublisher(settings)

    def loops(self, health: Health, stop: asyncio.Event) -> list[Coroutine[Any, Any, None]]:
        """Return what has to run side by side."""
        topic = self._subscription.topic
        dead_letters = DeadLetters(
            self._rejecting,
            topic=topics.dead_letters_of(topic),
            counter=self._stream.rejected,
            held=self._stream.held,
            in_a_row_max=self._settings.dead_letters_max,
        )
        consumer = Consumer(
            self._settings,
            self._subscription,
            self._handler,
            dead_letters=dead_letters,
            health=health,
            on_gap=self._stream.missed.inc,
        )
        name = f"relay behind {topic}"
        backoff = Backoff(cap_s=_RELAY_CAP_S)
        relay = Relay(self._source, self._requesting, health, name=name, backoff=backoff)
        return [consumer.run(stop), relay.run(stop)]

    async def close(self) -> None:
        await self._requesting.close()
        await self._rejecting.close()
        await self._source.close()


def subscription(settings: IngressSettings) -> Subscription:
    """Return what is consumed of alerts, and how much of it at once."""
    return Subscription(
        topics.ALERT,
        settings.consumer_group,
        batch_records=settings.batch_records,
        batches=settings.writers,
        partition_fetch_bytes=settings.partition_fetch_bytes,
    )


def event_subscription(settings: IngressSettings) -> Subscription:
    """Return the same of device events: a group of their own, one batch after the other.

    So a device's events get their numbers in the order in which it stored them, and what happens to
    them (poison, a missing topic, a rebalance) never holds up an alert.
    """
    return Subscription(
        topics.DEVICE_EVENT,
        f"{settings.consumer_group}-device-event",
        batch_records=settings.batch_records,
        batches=1,
        partition_fetch_bytes=min(settings.partition_fetch_bytes, _EVENT_FETCH_BYTES),
    )


async def migrate(settings: MigrateSettings, stop: asyncio.Event) -> None:
    """Bring the archive's schema up to date; waits for the database.

    Raises:
        Unavailable: It was still away when `stop` was set.
    """
    await migrations.run(settings, folder=MIGRATIONS, version_table=VERSION_TABLE, stop=stop)


async def create_topics(settings: TopicsSettings, stop: asyncio.Event) -> None:
    """Create the topics that are missing; waits for the broker.

    Raises:
        Unavailable: It was still away when `stop` was set.
        Misconfigured: It refuses, such as for more replicas than brokers.
    """

    async def create() -> list[str]:
        return await topics.create(settings, replication=settings.kafka_replication)

    created = await until_available(create, backoff=Backoff(cap_s=5.0), stop=stop)
    _log.info("topics are there", action="topics", created=created)
