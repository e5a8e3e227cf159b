from datetime import UTC, datetime, timedelta

from edge_detector.gateway import limits
from edge_detector.gateway.limits import Bucket, Rate

_RATE = Rate(per_s=2.0, burst=3.0)
_START = datetime(2026, 1, 1, tzinfo=UTC)


def _waits(*seconds: float) -> list[float]:
    bucket: Bucket | None = None
    waits = []
    for second in seconds:
        bucket, wait_s = limits.take(bucket, _RATE, _START + timedelta(seconds=second))
        waits.append(wait_s)
    return waits


def test_burst_is_granted_and_the_next_told_how_long_to_wait() -> None:
    assert _waits(0, 0, 0, 0) == [0, 0, 0, 0.5]


def test_rate_is_granted_for_ever() -> None:
    assert _waits(*(number / 2 for number in range(100))) == [0] * 100


def test_clock_that_goes_back_grants_nothing() -> None:
    assert _waits(10, 10, 10, 0, 10)[3:] == [0.5, 0.5]
