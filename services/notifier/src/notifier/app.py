"""The composition root: builds everything, runs it, closes it in reverse."""

import asyncio
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

import structlog
from maskwatch_runtime import admin, lifecycle, migrations
from maskwatch_runtime.clock import SystemClock
from maskwatch_runtime.health import Health
from maskwatch_runtime.kafka import consumer as consuming
from maskwatch_runtime.kafka import topics
from maskwatch_runtime.kafka.consumer import Consumer, Subscription
from maskwatch_runtime.kafka.dead_letters import DeadLetters
from maskwatch_runtime.kafka.publisher import KafkaPublisher
from maskwatch_runtime.postgres import Pool
from prometheus_client import CollectorRegistry

from notifier import camera_policy, policy, retries, sender
from notifier.audience import Audience
from notifier.camera_handler import CameraHandler, Passing
from notifier.channel import Channel
from notifier.claims import Claims, Pictures
from notifier.compose import Composer
from notifier.handler import Handler
from notifier.mailer import Mailer
from notifier.metrics import Metrics
from notifier.sender import Instruments, Sender
from notifier.settings import MigrateSettings, NotifierSettings

MIGRATIONS = Path(__file__).parent / "migrations"
VERSION_TABLE = "notifier_schema_version"
_BATCHES = 3
# One after the other: a camera's changes are judged in the order in which they were asked for.
_EVENT_BATCHES = 1
# And for claiming one, for marking two, for recording one.
_POOL_SIZE = _BATCHES + _EVENT_BATCHES + 4
_EVENT_GROUP = "-device-event"  # a group of its own: one's rebalance does not stop the other
# DATA, then the mail itself, are each answered within the SMTP timeout.
_LEASE_SPARE_S = 10.0
_log = structlog.get_logger()


async def serve(settings: NotifierSettings, stop: asyncio.Event) -> None:
    """Run the service until `stop` is set and everything in hand is written down."""
    for server in settings.smtp_servers:
        if server.username and server.tls == "none":
            _log.warning(
                f"{server.prefix}_TLS=none: the password travels in the clear", action="start"
            )
    health = Health(SystemClock(), stalled_after_s=settings.stalled_after_s)
    health.missing("kafka", "not connected yet")
    registry = CollectorRegistry()
    metrics = Metrics(registry)
    pool = Pool(settings, size=_POOL_SIZE)
    publisher = KafkaPublisher(settings)
    wired = wire(settings, pool, metrics, health)

    def consumer(topic: Subscription, handler: consuming.Handler) -> Consumer:
        letters = DeadLetters(
            publisher,
            topic=topics.dead_letters_of(topic.topic),
            counter=metrics.dead_letters,
            in_a_row_max=settings.dead_letters_max,
            held=metrics.held.labels(topic.topic),
        )
        return Consumer(
            settings,
            topic,
            handler,
            dead_letters=letters,
            health=health,
            on_gap=metrics.missed.inc,
        )

    alerts = Subscription(topics.NOTIFY, settings.consumer_group, batches=_BATCHES)
    cameras = Subscription(
        topics.NOTIFY_EVENT, settings.consumer_group + _EVENT_GROUP, batches=_EVENT_BATCHES
    )
    admin_app = admin.application(health, registry)
    try:
        await lifecycle.supervise(
            stop,
            admin.serve(admin_app, host=settings.admin_host, port=settings.admin_port, stop=stop),
            consumer(alerts, wired.alerts).run(stop),
            consumer(cameras, wired.cameras).run(stop),
            wired.sender.run(stop),
        )
    finally:
        await publisher.close()
        await pool.close()


@dataclass(frozen=True, slots=True)
class Wired:
    """What enters deliveries, by topic, and what makes them."""

    alerts: Handler
    cameras: consuming.Handler
    sender: Sender


def wire(settings: NotifierSettings, pool: Pool, metrics: Metrics, health: Health) -> Wired:
    """Return the parts, put together: those that enter deliveries wake the one that makes them."""
    clock = SystemClock()
    mail_sender = Sender(
        Claims(
            pool,
            Composer(settings),
            pictures=Pictures(settings.picture_bytes_max, settings.picture_wait_s),
            sending_lease_s=2 * settings.smtp_timeout_s + _LEASE_SPARE_S,
        ),
        Channel(
            [
                Mailer(server, clock, connections=settings.smtp_connections)
                for server in settings.smtp_servers
            ],
            health=health,
            metrics=metrics,
        ),
        rules=_sender_rules(settings),
        instruments=Instruments(metrics, health, clock),
    )
    audience = Audience(settings.recipients, settings.sender)
    alerts = Handler(
        pool,
        audience,
        rules=_policy_rules(settings),
        metrics=metrics,
        on_entered=mail_sender.wake,
    )
    cameras = CameraHandler(
        pool,
        audience,
        rules=_camera_rules(settings),
        metrics=metrics,
        on_entered=mail_sender.wake,
    )
    return Wired(alerts, cameras if settings.camera_mails else Passing(), mail_sender)


async def migrate(settings: MigrateSettings, stop: asyncio.Event) -> None:
    """Bring the ledger's schema up to date; waits for the database.

    Raises:
        Unavailable: It was still away when `stop` was set.
    """
    await migrations.run(settings, folder=MIGRATIONS, version_table=VERSION_TABLE, stop=stop)


def _policy_rules(settings: NotifierSettings) -> policy.Rules:
    return policy.Rules(
        cooldown=timedelta(minutes=settings.cooldown_minutes),
        deadline=timedelta(seconds=settings.delivery_deadline_s),
    )


def _camera_rules(settings: NotifierSettings) -> camera_policy.Rules:
    return camera_policy.Rules(
        group_wait=timedelta(seconds=settings.camera_group_wait_s),
        per_hour=settings.camera_mails_per_hour,
        deadline=timedelta(seconds=settings.delivery_deadline_s),
    )


def _sender_rules(settings: NotifierSettings) -> sender.Rules:
    return sender.Rules(
        connections=settings.smtp_connections,
        last_mails_s=settings.shutdown_s / 2,
        smtp_timeout_s=settings.smtp_timeout_s,
        retries=retries.Rules(
            initial_s=settings.retry_initial_s,
            cap_s=settings.retry_cap_s,
            unknown_repeats=settings.unknown_repeats,
        ),
    )
