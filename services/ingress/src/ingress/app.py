"""Builds the service, runs it, and takes it down in reverse; and the two steps before it."""

import asyncio
from pathlib import Path

import structlog
from maskwatch_runtime import admin, migrations
from maskwatch_runtime.clock import SystemClock
from maskwatch_runtime.health import Health
from maskwatch_runtime.kafka import topics
from maskwatch_runtime.kafka.consumer import Consumer, Subscription
from maskwatch_runtime.kafka.dead_letters import DeadLetters
from maskwatch_runtime.kafka.publisher import KafkaPublisher
from maskwatch_runtime.lifecycle import supervise
from maskwatch_runtime.postgres import Pool
from maskwatch_runtime.relay import Relay
from maskwatch_runtime.retry import Backoff, until_available
from prometheus_client import CollectorRegistry

from ingress.archive import Archive
from ingress.handler import AlertHandler
from ingress.metrics import Metrics
from ingress.requests import RequestSource
from ingress.settings import IngressSettings, MigrateSettings, TopicsSettings

MIGRATIONS = Path(__file__).parent / "migrations"
VERSION_TABLE = "ingress_schema_version"
_log = structlog.get_logger()


async def serve(settings: IngressSettings, stop: asyncio.Event) -> None:
    """Archive alerts and ask for their notifications until `stop` is set.

    Raises:
        Misconfigured: The database refuses the user, or a port cannot be had.
        TooManyInvalid: Nearly everything on the topic is refused.
    """
    clock = SystemClock()
    registry = CollectorRegistry()
    metrics = Metrics(registry)
    health = Health(clock)
    health.missing("kafka", "not connected yet")
    pool = Pool(settings, size=settings.writers)
    source = RequestSource(settings, metrics)
    handler = AlertHandler(Archive(pool, clock), metrics, clock, on_archived=source.wake)
    # Two producers: one that waits for a picture's megabytes must not hold up the requests.
    rejecting, requesting = KafkaPublisher(settings), KafkaPublisher(settings)
    dead_letters = DeadLetters(
        rejecting,
        topic=topics.ALERT_DEAD_LETTERS,
        counter=metrics.rejected,
        in_a_row_max=settings.dead_letters_max,
    )
    consumer = Consumer(
        settings, subscription(settings), handler, dead_letters=dead_letters, health=health
    )
    application = admin.application(health, registry)
    host, port = settings.admin_host, settings.admin_port
    try:
        await supervise(
            stop,
            admin.serve(application, host=host, port=port, stop=stop),
            consumer.run(stop),
            Relay(source, requesting, health).run(stop),
        )
    finally:
        await requesting.close()
        await rejecting.close()
        await source.close()
        await pool.close()


def subscription(settings: IngressSettings) -> Subscription:
    """Return what is consumed, and how much of it at once."""
    return Subscription(
        topics.ALERT,
        settings.consumer_group,
        batch_records=settings.batch_records,
        batches=settings.writers,
        partition_fetch_bytes=settings.partition_fetch_bytes,
    )


async def migrate(settings: MigrateSettings, stop: asyncio.Event) -> None:
    """Bring the archive's schema up to date; waits for the database.

    Raises:
        Unavailable: It was still away when `stop` was set.
    """

    async def upgrade() -> None:
        await asyncio.to_thread(
            migrations.upgrade, settings, folder=MIGRATIONS, version_table=VERSION_TABLE
        )

    await until_available(upgrade, backoff=Backoff(cap_s=5.0), stop=stop)
    _log.info("schema is up to date", action="migrate")


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
