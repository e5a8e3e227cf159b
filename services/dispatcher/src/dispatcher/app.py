"""Builds the service, runs it, and takes it down in reverse."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from maskwatch_runtime import admin
from maskwatch_runtime.clock import SystemClock
from maskwatch_runtime.errors import Unavailable
from maskwatch_runtime.health import Health
from maskwatch_runtime.kafka.publisher import KafkaPublisher
from maskwatch_runtime.lifecycle import supervise
from maskwatch_runtime.outbox.checkpoint import Checkpointer
from maskwatch_runtime.outbox.outbox import Outbox
from maskwatch_runtime.outbox.room import Disk
from maskwatch_runtime.relay import Relay
from maskwatch_runtime.retry import Backoff, until_available
from prometheus_client import CollectorRegistry

from dispatcher.housekeeping import Housekeeping
from dispatcher.metrics import Metrics, Missing
from dispatcher.settings import DispatcherSettings
from dispatcher.source import BatchLimits, OutboxSource


async def serve(settings: DispatcherSettings, stop: asyncio.Event) -> None:
    """Relay from the outbox to Kafka until `stop` is set.

    Raises:
        Misconfigured: The outbox can never be opened, or a port cannot be had.
    """
    registry = CollectorRegistry()
    metrics = Metrics(registry)
    health = Health(SystemClock(), stalled_after_s=settings.stalled_after_s)
    registry.register(Missing(health))
    health.missing("kafka", "not connected yet")
    health.missing("outbox", "not opened yet")
    await supervise(
        stop,
        admin.serve(
            admin.application(health, registry),
            host=settings.admin_host,
            port=settings.admin_port,
            stop=stop,
        ),
        _relay(settings, health, metrics, stop),
    )


async def _relay(
    settings: DispatcherSettings, health: Health, metrics: Metrics, stop: asyncio.Event
) -> None:
    try:
        outbox = await _opened(settings, health, stop)
    except Unavailable:
        return  # asked to stop while the disk was away
    source = OutboxSource(outbox, BatchLimits(settings.batch_rows, settings.batch_bytes), metrics)
    disk = Disk(settings.outbox_path) if settings.disk_free_bytes_min else None
    checkpointer = Checkpointer(settings.outbox_path)
    housekeeping = Housekeeping(source, settings.limits, checkpointer, metrics, disk)
    try:
        async with _publisher(settings) as publisher:
            await supervise(
                stop,
                Relay(source, publisher, health).run(stop),
                housekeeping.run(stop, clock=SystemClock(), every_s=settings.housekeeping_s),
            )
    finally:
        source.close()


async def _opened(settings: DispatcherSettings, health: Health, stop: asyncio.Event) -> Outbox:
    """Wait for a disk that is full, read-only or busy; a wrong path is a misconfiguration."""

    async def open_outbox() -> Outbox:
        return await asyncio.to_thread(Outbox.open, settings.outbox_path)

    outbox = await until_available(
        open_outbox,
        backoff=Backoff(cap_s=10.0),
        stop=stop,
        on_wait=lambda error: health.missing(error.dependency, error.reason),
    )
    health.present("outbox")
    return outbox


@asynccontextmanager
async def _publisher(settings: DispatcherSettings) -> AsyncIterator[KafkaPublisher]:
    publisher = KafkaPublisher(settings)
    try:
        yield publisher
    finally:
        await publisher.close()
