from collections.abc import Iterator

from maskwatch_runtime.health import Health
from prometheus_client import CollectorRegistry, Counter, Gauge
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.registry import Collector

_MISSING = "1 while a dependency is away or refuses us, by its name"


class Missing(Collector):
    """What /health/ready says is away, for alerting."""

    def __init__(self, health: Health) -> None:
        self._health = health

    def collect(self) -> Iterator[GaugeMetricFamily]:
        family = GaugeMetricFamily("dispatcher_dependency_missing", _MISSING, labels=["dependency"])
        for dependency in self._health.not_ready():
            family.add_metric([dependency], 1)
        yield family


class Metrics:
    """Every metric of the service, one line each."""

    def __init__(self, registry: CollectorRegistry) -> None:
        def counter(name: str, meaning: str) -> Counter:
            return Counter(f"dispatcher_{name}", meaning, registry=registry)

        def gauge(name: str, meaning: str) -> Gauge:
            return Gauge(f"dispatcher_{name}", meaning, registry=registry)

        def by_kind(name: str, meaning: str) -> Counter:
            return Counter(f"dispatcher_{name}", meaning, ["kind"], registry=registry)

        self.sent = counter("alerts_sent", "Alerts that the broker has acknowledged")
        self.refused = counter("alerts_refused", "Rows set aside: no alert, or refused by Kafka")
        self.events_sent = by_kind("device_events_sent", "Device events that it has acknowledged")
        self.events_refused = counter("device_events_refused", "Device events set aside")
        self.shrunk = counter("pictures_dropped_too_large", "Pictures left out to fit the topic")
        self.evicted_rows = counter("rows_evicted", "Sent rows deleted by age or size")
        self.evicted_pictures = counter("pictures_evicted", "Unsent pictures given up for room")
        self.evicted_events = counter("device_events_evicted", "Sent device events deleted")
        self.evicted_heartbeats = counter("heartbeats_evicted", "Unsent heartbeats given up")
        self.checkpoints = counter("outbox_checkpoints", "Times its log was moved into the file")
        self.unsent = gauge("alerts_unsent", "Alerts that wait for the broker")
        self.events_unsent = gauge("device_events_unsent", "Device events that wait for it")
        self.content_bytes = gauge("outbox_content_bytes", "Bytes in use in the outbox's file")
