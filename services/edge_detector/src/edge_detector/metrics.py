from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

# Seconds; one frame takes about 10 ms on a desktop and 100 ms on a Raspberry Pi.
_BUCKETS = (0.005, 0.01, 0.02, 0.03, 0.05, 0.075, 0.1, 0.15, 0.25, 0.5, 1.0, 2.5)


class Metrics:
    """Every metric of the service, one line each."""

    def __init__(self, registry: CollectorRegistry) -> None:
        def counter(name: str, meaning: str, *labels: str) -> Counter:
            return Counter(f"edge_detector_{name}", meaning, labels, registry=registry)

        def gauge(name: str, meaning: str) -> Gauge:
            return Gauge(f"edge_detector_{name}", meaning, registry=registry)

        def seconds(name: str, meaning: str) -> Histogram:
            return Histogram(f"edge_detector_{name}", meaning, registry=registry, buckets=_BUCKETS)

        self.frames = counter("frames", "Frames judged")
        self.frames_overwritten = counter(
            "frames_overwritten", "Camera frames replaced by a newer one before they were judged"
        )
        self.files_unreadable = counter("files_unreadable", "Pictures and videos skipped")
        self.camera_reconnects = counter("camera_reconnects", "Times the camera went away")
        self.faces = counter(
            "faces", "Faces found, by label; one person counts in every frame", "label"
        )
        self.tracks = gauge("tracks", "People followed now")
        self.episodes = counter("episodes", "People who entered the picture")
        self.alerts = counter("alerts", "Alerts raised, by label", "label")
        self.alerts_stored = counter("alerts_stored", "Alerts durable in the outbox")
        self.alerts_dropped = counter(
            "alerts_dropped", "Alerts lost: the outbox failed for longer than memory holds"
        )
        self.alerts_waiting = gauge("alerts_waiting", "Alerts in memory, not yet in the outbox")
        self.outbox_failures = counter("outbox_failures", "Failed attempts to store an alert")
        self.detect_seconds = seconds("detect_seconds", "Finding and judging the faces; per frame")
        self.frame_seconds = seconds("frame_seconds", "From a decoded frame to its alerts")
