"""Builds the service, runs it, and takes it down in reverse."""

import asyncio

from maskwatch_runtime import admin
from maskwatch_runtime.clock import SystemClock
from maskwatch_runtime.health import Health
from maskwatch_runtime.kafka.publisher import KafkaPublisher
from maskwatch_runtime.lifecycle import supervise
from maskwatch_runtime.outbox.checkpoint import Checkpointer
from maskwatch_runtime.outbox.outbox import Outbox
from maskwatch_runtime.relay import Relay
from prometheus_client import CollectorRegistry

from dispatcher.housekeeping import Housekeeping
from dispatcher.metrics import Metrics
from dispatcher.settings import DispatcherSettings
from dispatcher.source import BatchLimits, OutboxSource


async def serve(settings: DispatcherSettings, stop: asyncio.Event) -> None:
    """Relay from the outbox to Kafka until `stop` is set.

    Raises:
        Misconfigured: The outbox cannot be opened, or a port cannot be had.
    """
    clock = SystemClock()
    registry = CollectorRegistry()
    metrics = Metrics(registry)
    health = Health(clock)
    health.missing("kafka", "not connected yet")
    limits = BatchLimits(settings.batch_rows, settings.batch_bytes)
    source = OutboxSource(Outbox.open(settings.outbox_path), limits, metrics)
    checkpointer = Checkpointer(settings.outbox_path)
    publisher = KafkaPublisher(settings)
    housekeeping = Housekeeping(source, settings.limits, checkpointer, metrics)
    try:
        await supervise(
            stop,
            admin.serve(
                admin.application(health, registry),
                host=settings.admin_host,
                port=settings.admin_port,
                stop=stop,
            ),
            Relay(source, publisher, health).run(stop),
            housekeeping.run(stop, clock=clock, every_s=settings.housekeeping_s),
        )
    finally:
        await publisher.close()
        checkpointer.close()
        source.close()
