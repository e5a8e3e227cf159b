from prometheus_client import CollectorRegistry, Counter, Gauge


class GatewayMetrics:
    """Every metric of the gateway besides those of the spool, one line each."""

    def __init__(self, registry: CollectorRegistry) -> None:
        def counter(name: str, meaning: str, *labels: str) -> Counter:
            return Counter(f"edge_detector_gateway_{name}", meaning, labels, registry=registry)

        def gauge(name: str, meaning: str) -> Gauge:
            return Gauge(f"edge_detector_gateway_{name}", meaning, registry=registry)

        self.results = counter(
            "results",
            "Results by channel: accepted, duplicate, or why refused",
            "channel",
            "outcome",
        )
        self.connects = counter("connects", "Boards that said that they had started")
        self.clocks_wrong = counter(
            "clocks_wrong",
            "Results whose time could not be believed; the time of arrival was taken",
        )
        self.alerts = counter("alerts", "Alerts raised, by label", "label")
        self.episodes = counter("episodes", "People who have left")
        self.unauthorised = counter("unauthorised", "HTTP requests without the token")
        self.reconnects = counter(
            "reconnects",
            "Times that broker or live view went away or could not be reached",
            "channel",
        )
        self.forward_waiting = gauge("forward_waiting", "Events that wait to be forwarded")
        self.forwarded = counter("forwarded", "Events forwarded")
        self.forward_dropped = counter(
            "forward_dropped", "Events not forwarded, by reason: full, refused or lost", "reason"
        )
        self.forward_failures = counter("forward_failures", "Failed attempts to forward an event")
