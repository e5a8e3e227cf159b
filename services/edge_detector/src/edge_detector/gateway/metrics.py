from prometheus_client import CollectorRegistry, Counter


class GatewayMetrics:
    """Every metric of the gateway besides those of the spool and of forwarding, one line each."""

    def __init__(self, registry: CollectorRegistry) -> None:
        def counter(name: str, meaning: str, *labels: str) -> Counter:
            return Counter(f"edge_detector_gateway_{name}", meaning, labels, registry=registry)

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
