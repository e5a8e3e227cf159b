import pytest

from faults import watch
from faults.watch import Sample


def _samples(seconds: int, rss_mb: float = 50.0, per_hour: float = 0.0) -> list[Sample]:
    return [Sample(at, rss_mb + per_hour * at / 3600, 20, 4) for at in range(seconds)]


@pytest.mark.parametrize("seconds", [0, 1, 60, 67])
def test_life_too_short_tells_nothing(seconds: int) -> None:
    assert watch.trend(_samples(seconds), settle_s=60) is None


def test_level_line_does_not_grow() -> None:
    found = watch.trend(_samples(600), settle_s=60)

    assert found is not None
    assert (found.seconds, found.rss_mb) == (539, 50.0)
    assert (found.rss_mb_per_hour, found.growth) == (0, 0)
    assert (found.descriptors_more, found.connections_more) == (0, 0)


def test_growth_is_told_by_hour_and_as_a_share() -> None:
    found = watch.trend(_samples(3600, per_hour=10.0), settle_s=0)

    assert found is not None
    assert found.rss_mb_per_hour == pytest.approx(10.0)
    assert found.growth == pytest.approx(10 / 55, rel=0.01)


def test_few_high_samples_do_not_bend_the_line() -> None:
    samples = _samples(600)
    samples[-30:] = [Sample(one.at_s, 500.0, 20, 4) for one in samples[-30:]]

    found = watch.trend(samples, settle_s=0)

    assert found is not None
    assert found.rss_mb_per_hour == 0


def test_descriptors_and_connections_that_stay_open_are_counted() -> None:
    samples = [Sample(at, 50.0, 20 + at // 100, 4 + at // 200) for at in range(800)]

    found = watch.trend(samples, settle_s=0)

    assert found is not None
    assert (found.descriptors_more, found.connections_more) == (6, 3)
