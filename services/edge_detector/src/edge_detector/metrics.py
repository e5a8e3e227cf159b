from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

# Seconds; one frame takes about 10 ms on a desktop and 100 ms on a Raspberry Pi.
_BUCKETS = (0.005, 0.01, 0.02, 0.03, 0.05, 0.075, 0.1, 0.15, 0.25, 0.5, 1.0, 2.5)


class Metrics:
    """Every metric of the service, one line each."""

    def __init__(self, registry: CollectorRegistry) -> None:
        def counter(name: str, meaning: str, *labels: str) -> Counter:
            return Counter(f"edge_detector_{name}", meaning, labels, registry=registry)

        def gauge(name: str, meaning: str, *labels: str) -> Gauge:
            return Gauge(f"edge_detector_{name}", meaning, labels, registry=registry)

        def seconds(name: str, meaning: str) -> Histogram:
            return Histogram(f"edge_detector_{name}", meaning, registry=registry, buckets=_BUCKETS)

        self.frames = counter("frames", "Frames judged")
        self.frames_idle = counter("frames_idle", "Frames in which nothing moved, not judged")
        self.frames_overwritten = counter(
            "frames_overwritten",
            "Camera frames replaced by a newer one before they were judged",
            "camera",
        )
        self.files_unreadable = counter("files_unreadable", "Pictures and videos skipped")
        self.camera_reconnects = counter(
            "camera_reconnects", "Times a camera's reader was replaced", "camera"
        )
        self.camera_readers_lost = counter(
            "camera_readers_lost", "Readers' processes that not even SIGKILL ended", "camera"
        )
        self.camera_frames = counter("camera_frames", "Frames taken up, by camera", "camera")
        self.camera_up = gauge("camera_up", "1 while the camera can be believed", "camera")
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
        self.alerts_waiting = gauge(
            "alerts_waiting", "Alerts and device events in memory, not yet in the outbox"
        )
        self.events_stored = counter(
            "events_stored", "Device events durable in the outbox, by kind", "kind"
        )
        self.events_dropped = counter("events_dropped", "Device events lost, by kind", "kind")
        self.outbox_failures = counter("outbox_failures", "Failed attempts to store an alert")
        self.detect_seconds = seconds("detect_seconds", "Finding and judging the faces; per frame")
        self.frame_seconds = seconds("frame_seconds", "From a decoded frame to its alerts")
