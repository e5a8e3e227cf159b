"""`python -m benchmarks.archive_step ingress run`: ingress without what publishes the requests.

Consumer, handler and archive as the service has them: alerts, pictures and requests for
notifications in one transaction, offsets behind it. No relay, no device events, no admin page. It
is what a sink connector does, hence what is compared with one; settings are those of the service,
whose name and command follow on the command line as for any of devstack's launchers.
"""

import asyncio
import sys

from ingress import app
from ingress.archive import Archive
from ingress.handler import AlertHandler
from ingress.metrics import Metrics
from ingress.settings import IngressSettings
from maskwatch_runtime import lifecycle, logs, settings
from maskwatch_runtime.clock import SystemClock
from maskwatch_runtime.health import Health
from maskwatch_runtime.kafka import topics
from maskwatch_runtime.kafka.consumer import Consumer, Handler
from maskwatch_runtime.kafka.dead_letters import DeadLetters
from maskwatch_runtime.kafka.publisher import KafkaPublisher
from maskwatch_runtime.postgres import Pool
from prometheus_client import CollectorRegistry


def main() -> int:
    """Archive until asked to stop and return the exit code."""
    chosen = settings.load(IngressSettings)
    logs.configure("ingress", level=chosen.log_level)
    lifecycle.collect_garbage_rarely()
    return lifecycle.run(lambda stop: serve(chosen, stop), shutdown_s=chosen.shutdown_s)


async def serve(chosen: IngressSettings, stop: asyncio.Event) -> None:
    """Archive alerts until `stop` is set."""
    pool = Pool(chosen, size=chosen.writers)
    metrics = Metrics(CollectorRegistry())
    try:
        await consumer(chosen, handler(pool, metrics), metrics).run(stop)
    finally:
        await pool.close()


def handler(pool: Pool, metrics: Metrics) -> AlertHandler:
    """Return what archives alerts through a pool; nobody is told of their requests."""
    clock = SystemClock()
    return AlertHandler(Archive(pool, clock), metrics, clock, on_archived=_nobody)


def consumer(chosen: IngressSettings, handler: Handler, metrics: Metrics) -> Consumer:
    """Return what feeds a handler with the alerts, as the service does."""
    letters = DeadLetters(
        KafkaPublisher(chosen), topic=topics.ALERT_DEAD_LETTERS, counter=metrics.alerts.rejected
    )
    return Consumer(
        chosen,
        app.subscription(chosen),
        handler,
        dead_letters=letters,
        health=Health(SystemClock()),
    )


def _nobody() -> None:
    """Nobody waits for the requests."""


if __name__ == "__main__":
    sys.exit(main())
