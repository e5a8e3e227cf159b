from dataclasses import dataclass

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

_SECONDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300, 3600)


@dataclass(frozen=True, slots=True)
class Stream:
    """What is counted of one topic on its way through the archive."""

    archived: Counter
    repeated: Counter
    rejected: Counter
    missed: Counter
    requested: Counter
    refused: Counter
    held: Gauge
    batch_seconds: Histogram
    delay_seconds: Histogram


@dataclass(frozen=True, slots=True)
class Oddities:
    """What does not add up among the numbers of the devices, of ten minutes."""

    missing: Gauge
    repeated: Gauge
    overlapping: Gauge
    new_devices: Gauge

    def show(self, missing: int, repeated: int, overlapping: int, new_devices: int) -> None:
        self.missing.set(missing)
        self.repeated.set(repeated)
        self.overlapping.set(overlapping)
        self.new_devices.set(new_devices)


class Metrics:
    """Every metric of the service, one line each."""

    def __init__(self, registry: CollectorRegistry) -> None:
        def counter(name: str, meaning: str) -> Counter:
            return Counter(f"ingress_{name}", meaning, registry=registry)

        def gauge(name: str, meaning: str) -> Gauge:
            return Gauge(f"ingress_{name}", meaning, registry=registry)

        def seconds(name: str, meaning: str) -> Histogram:
            return Histogram(f"ingress_{name}", meaning, registry=registry, buckets=_SECONDS)

        self.alerts = Stream(
            counter("alerts_archived", "Alerts that are new in the archive"),
            counter("alerts_repeated", "Alerts that the archive had already"),
            counter("messages_rejected", "Messages sent to the alerts' dead letter topic"),
            counter("messages_missed", "Messages that retention deleted before they were read"),
            counter("notifications_requested", "Requests that Kafka acknowledged"),
            counter("notifications_refused", "Requests that Kafka will never take"),
            gauge("messages_held", "1 while too many alerts in a row are invalid to go on"),
            seconds("batch_seconds", "Seconds to decode and archive one batch of alerts"),
            seconds("delay_seconds", "Seconds from the alert to the archive"),
        )
        self.device_events = Stream(
            counter("device_events_archived", "Device events that are new in the archive"),
            counter("device_events_repeated", "Device events that the archive had already"),
            counter("device_events_rejected", "Messages sent to the events' dead letter topic"),
            counter("device_events_missed", "Device events that it deleted before they were read"),
            counter("event_notifications_requested", "Requests on events that Kafka acknowledged"),
            counter("event_notifications_refused", "Requests on events that it will never take"),
            gauge("device_events_held", "1 while too many events in a row are invalid to go on"),
            seconds("device_event_batch_seconds", "Seconds to decode and archive their batch"),
            seconds("device_event_delay_seconds", "Seconds from the event to the archive"),
        )
        self.oddities = Oddities(
            gauge("sequence_missing", "Numbers of devices that are missing, of ten minutes"),
            gauge("sequence_repeated", "Events that share a number with another, of ten minutes"),
            gauge("boots_overlapping", "Starts of a device that overlap, of ten minutes"),
            gauge("devices_new", "Devices first heard of in ten minutes"),
        )
