from prometheus_client import CollectorRegistry, Counter, Histogram

_SECONDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300, 3600)


class Metrics:
    """Every metric of the service, one line each."""

    def __init__(self, registry: CollectorRegistry) -> None:
        def counter(name: str, meaning: str) -> Counter:
            return Counter(f"ingress_{name}", meaning, registry=registry)

        def seconds(name: str, meaning: str) -> Histogram:
            return Histogram(f"ingress_{name}", meaning, registry=registry, buckets=_SECONDS)

        self.archived = counter("alerts_archived", "Alerts that are new in the archive")
        self.repeated = counter("alerts_repeated", "Alerts that the archive had already")
        self.rejected = counter("messages_rejected", "Messages sent to the dead letter topic")
        self.requested = counter("notifications_requested", "Requests that Kafka acknowledged")
        self.refused = counter("notifications_refused", "Requests that Kafka will never take")
        self.batch_seconds = seconds("batch_seconds", "Seconds to decode and archive one batch")
        self.delay_seconds = seconds("delay_seconds", "Seconds from the event to the archive")
