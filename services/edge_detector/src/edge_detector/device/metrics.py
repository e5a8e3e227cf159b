from prometheus_client import CollectorRegistry, Counter, Gauge

from edge_detector.device.heat import Sensed
from edge_detector.device.reload import Outcome


class DeviceMetrics:
    """Every metric of the device's care, one line each."""

    def __init__(self, registry: CollectorRegistry) -> None:
        def counter(name: str, meaning: str, *labels: str) -> Counter:
            return Counter(f"edge_detector_{name}", meaning, labels, registry=registry)

        def gauge(name: str, meaning: str) -> Gauge:
            return Gauge(f"edge_detector_{name}", meaning, registry=registry)

        self.temperature_c = gauge("temperature_celsius", "The hottest processor's; NaN: unknown")
        self.frame_share = gauge("frame_share", "Share of the frames judged; below 1: it is hot")
        self.firmware_throttled = gauge("firmware_throttled", "1: the firmware slows the processor")
        self.clock_steps = counter("clock_steps", "Times the clock was set while running")
        self.reloads = counter("reloads", "SIGHUPs, by outcome", "outcome")
        self.accelerator_lost = counter("accelerator_lost", "Times models fell back to the CPU")
        self.temperature_c.set(float("nan"))
        self.frame_share.set(1)
        for outcome in Outcome:
            self.reloads.labels(outcome)

    def sensed(self, sensed: Sensed, share: float) -> None:
        """Show a look at the sensors; what `care.Listeners` asks for."""
        temperature_c = sensed.temperature_c
        self.temperature_c.set(float("nan") if temperature_c is None else temperature_c)
        self.frame_share.set(share)
        self.firmware_throttled.set(sensed.is_throttled)

    def clock_stepped(self, _: float) -> None:
        """Count a step; what `clock.Timekeeper` asks for."""
        self.clock_steps.inc()

    def reloaded(self, outcome: Outcome) -> None:
        """Count a reload; what `reload.on_hangup` asks for."""
        self.reloads.labels(outcome).inc()

    def lost_accelerator(self, _: str) -> None:
        """Count a loss; what `Accelerator` asks for."""
        self.accelerator_lost.inc()
