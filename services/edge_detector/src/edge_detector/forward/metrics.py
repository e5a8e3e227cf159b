from prometheus_client import CollectorRegistry, Counter, Gauge


class ForwardMetrics:
    """Every metric of forwarding, one line each; named for the gateway in the detector as well."""

    def __init__(self, registry: CollectorRegistry) -> None:
        def counter(name: str, meaning: str, *labels: str) -> Counter:
            return Counter(f"edge_detector_gateway_{name}", meaning, labels, registry=registry)

        self.waiting = Gauge(
            "edge_detector_gateway_forward_waiting",
            "Events that wait to be forwarded",
            registry=registry,
        )
        self.forwarded = counter("forwarded", "Events forwarded")
        self.dropped = counter(
            "forward_dropped", "Events not forwarded, by reason: full, refused or lost", "reason"
        )
        self.failures = counter("forward_failures", "Failed attempts to forward an event")
