from prometheus_client import CollectorRegistry, Counter, Gauge


class Metrics:
    """Every metric of the service, one line each."""

    def __init__(self, registry: CollectorRegistry) -> None:
        def counter(name: str, meaning: str) -> Counter:
            return Counter(f"dispatcher_{name}", meaning, registry=registry)

        def gauge(name: str, meaning: str) -> Gauge:
            return Gauge(f"dispatcher_{name}", meaning, registry=registry)

        self.sent = counter("alerts_sent", "Alerts that the broker has acknowledged")
        self.refused = counter("alerts_refused", "Rows set aside: no alert, or refused by Kafka")
        self.shrunk = counter("pictures_dropped_too_large", "Pictures left out to fit the topic")
        self.evicted_rows = counter("rows_evicted", "Sent rows deleted by age or size")
        self.evicted_pictures = counter("pictures_evicted", "Unsent pictures given up for room")
        self.unsent = gauge("alerts_unsent", "Rows that wait for the broker")
        self.content_bytes = gauge("outbox_content_bytes", "Bytes in use in the outbox's file")
