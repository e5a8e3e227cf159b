from dataclasses import dataclass

from prometheus_client import CollectorRegistry, Counter, Histogram

_SECONDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300, 3600)


@dataclass(frozen=True, slots=True)
class Stream:
    """What is counted of one topic on its way through the archive."""

    archived: Counter
    repeated: Counter
    rejected: Counter
    requested: Counter
    refused: Counter
    batch_seconds: Histogram
    delay_seconds: Histogram


class Metrics:
    """Every metric of the service, one line each."""

    def __init__(self, registry: CollectorRegistry) -> None:
        def counter(name: str, meaning: str) -> Counter:
            return Counter(f"ingress_{name}", meaning, registry=registry)

        def seconds(name: str, meaning: str) -> Histogram:
            return Histogram(f"ingress_{name}", meaning, registry=registry, buckets=_SECONDS)

        self.alerts = Stream(
            counter("alerts_archived", "Alerts that are new in the archive"),
            counter("alerts_repeated", "Alerts that the archive had already"),
            counter("messages_rejected", "Messages sent to the alerts' dead letter topic"),
            counter("notifications_requested", "Requests that Kafka acknowledged"),
            counter("notifications_refused", "Requests that Kafka will never take"),
            seconds("batch_seconds", "Seconds to decode and archive one batch of alerts"),
            seconds("delay_seconds", "Seconds from the alert to the archive"),
        )
        self.device_events = Stream(
            counter("device_events_archived", "Device events that are new in the archive"),
            counter("device_events_repeated", "Device events that the archive had already"),
            counter("device_events_rejected", "Messages sent to the events' dead letter topic"),
            counter("event_notifications_requested", "Requests on events that Kafka acknowledged"),
            counter("event_notifications_refused", "Requests on events that it will never take"),
            seconds("device_event_batch_seconds", "Seconds to decode and archive their batch"),
            seconds("device_event_delay_seconds", "Seconds from the event to the archive"),
        )
