"""Every metric of this service; the README's table has a line for each."""

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

_SECONDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300, 3600)


class Metrics:
    def __init__(self, registry: CollectorRegistry) -> None:
        self.alerts = Counter(
            "notifier_alerts_total",
            "Alerts judged, by verdict: mailed, suppressed, known",
            ["verdict"],
            registry=registry,
        )
        self.camera_changes = Counter(
            "notifier_camera_changes_total",
            "Cameras that went down or came back, by verdict: mailed, joined, repeated, known",
            ["verdict"],
            registry=registry,
        )
        self.dead_letters = Counter(
            "notifier_dead_letters_total", "Messages nobody can act on", registry=registry
        )
        self.held = Gauge(
            "notifier_messages_held",
            "1 while too many messages of a topic in a row are unreadable to go on",
            ["topic"],
            registry=registry,
        )
        self.missed = Counter(
            "notifier_requests_missed_total",
            "Requests that retention deleted before they were read",
            registry=registry,
        )
        self.deliveries = Counter(
            "notifier_deliveries_total",
            "Tries to deliver, by the state that followed",
            ["state"],
            registry=registry,
        )
        self.in_hand = Gauge(
            "notifier_in_hand",
            "Deliveries claimed by this replica and not settled",
            registry=registry,
        )
        self.smtp_up = Gauge(
            "notifier_smtp_up", "1 when the mail server lets us in, else 0", registry=registry
        )
        self.smtp_fallback = Gauge(
            "notifier_smtp_fallback", "1 while mails leave by the fallback", registry=registry
        )
        self.send_seconds = Histogram(
            "notifier_send_seconds",
            "From the first SMTP command of a mail to the answer, in seconds",
            buckets=_SECONDS,
            registry=registry,
        )
        self.delay_seconds = Histogram(
            "notifier_delay_seconds",
            "From the moment at which a mail may leave to its acceptance, in seconds",
            buckets=_SECONDS,
            registry=registry,
        )
