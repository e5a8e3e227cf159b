import math

from edge_detector.device.heat import Sensed
from edge_detector.device.metrics import DeviceMetrics
from edge_detector.device.reload import Outcome
from prometheus_client import CollectorRegistry


def test_before_the_first_look_nothing_is_claimed() -> None:
    registry = CollectorRegistry()
    DeviceMetrics(registry)

    assert math.isnan(registry.get_sample_value("edge_detector_temperature_celsius") or 0)
    assert registry.get_sample_value("edge_detector_frame_share") == 1
    assert registry.get_sample_value("edge_detector_reloads_total", {"outcome": "refused"}) == 0


def test_everything_is_counted_where_its_name_says() -> None:
    registry = CollectorRegistry()
    metrics = DeviceMetrics(registry)

    metrics.sensed(Sensed(81.5, is_throttled=True), 0.25)
    metrics.clock_stepped(-3600.0)
    metrics.reloaded(Outcome.REFUSED)
    metrics.lost_accelerator("unplugged")

    values = {
        "temperature_celsius": 81.5,
        "frame_share": 0.25,
        "firmware_throttled": 1,
        "clock_steps_total": 1,
        "accelerator_lost_total": 1,
    }
    for name, value in values.items():
        assert registry.get_sample_value(f"edge_detector_{name}") == value
    assert registry.get_sample_value("edge_detector_reloads_total", {"outcome": "refused"}) == 1


def test_sensor_that_goes_away_leaves_no_old_temperature() -> None:
    registry = CollectorRegistry()
    metrics = DeviceMetrics(registry)
    metrics.sensed(Sensed(60.0, is_throttled=False), 1.0)

    metrics.sensed(Sensed(None, is_throttled=False), 1.0)

    assert math.isnan(registry.get_sample_value("edge_detector_temperature_celsius") or 0)
