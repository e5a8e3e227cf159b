"""A connection that is made anew for as long as the service runs."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

import structlog
from maskwatch_runtime import retry
from maskwatch_runtime.errors import Unavailable
from maskwatch_runtime.health import Health
from maskwatch_runtime.retry import Backoff

from edge_detector.gateway.metrics import GatewayMetrics

_log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Link:
    """One connection in health, metrics and log.

    Attributes:
        name: What it leads to, as health reports call it.
        channel: The label of the metric.
        health: Not ready while it is down.
        metrics: Counts how often it was lost.
    """

    name: str
    channel: str
    health: Health
    metrics: GatewayMetrics

    def is_up(self) -> None:
        """Say that the connection stands."""
        self.health.present(self.name)
        _log.info("connected", action="connect", dependency=self.name)

    async def keep(
        self,
        session: Callable[[], Awaitable[None]],
        *,
        backoff: Backoff,
        stop: asyncio.Event,
    ) -> None:
        """Run sessions one after the other until `stop` is set.

        Args:
            session: Connects and returns when `stop` is set; raises Unavailable when it is cut off.
            backoff: Delays between them; begins anew after a session that connected.
            stop: Set when the service shuts down.
        """
        self.health.missing(self.name, "not connected yet")
        while not stop.is_set():
            try:
                await session()
            except Unavailable as error:
                if self.name not in self.health.not_ready():
                    backoff.reset()
                self._lost(error)
                delay_s = backoff.next_s()
                await retry.sleep_unless_stopped(delay_s, stop=stop)

    def _lost(self, error: Unavailable) -> None:
        self.metrics.reconnects.labels(self.channel).inc()
        self.health.missing(self.name, error.reason)
        _log.warning("connection lost", action="retry", dependency=self.name, reason=error.reason)
