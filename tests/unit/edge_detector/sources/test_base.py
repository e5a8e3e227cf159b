import pytest
from edge_detector.sources.base import Sampler


@pytest.mark.parametrize(
    ("camera_fps", "fps", "kept"),
    [(25, 10, 10), (30, 15, 15), (10, 10, 10), (5, 10, 5), (25, 2, 2)],
)
def test_sampler_keeps_the_rate_in_the_mean(camera_fps: float, fps: float, kept: float) -> None:
    sampler = Sampler(fps)
    seconds = 20

    due = sum(sampler.is_due(number / camera_fps) for number in range(round(seconds * camera_fps)))

    assert due == pytest.approx(kept * seconds, abs=2)


def test_sampler_does_not_catch_up_after_a_pause() -> None:
    sampler = Sampler(10)
    assert sampler.is_due(0.0)

    due = [sampler.is_due(60 + number / 100) for number in range(20)]

    assert sum(due) <= 3


def test_frame_that_is_a_little_early_is_kept() -> None:
    sampler = Sampler(10)
    moments_s = [number / 10 + (-0.01 if number % 2 else 0.01) for number in range(100)]

    assert all(sampler.is_due(moment_s) for moment_s in moments_s)
