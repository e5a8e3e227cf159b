import threading
from datetime import UTC, datetime

import numpy as np
import pytest
from edge_detector.sources.pushed import PushedSource
from edge_detector.vision.arrays import Picture
from maskwatch_runtime.clock import SystemClock
from maskwatch_runtime.testing import FakeClock

_AT = datetime(2026, 1, 1, tzinfo=UTC)
_GIVE_UP_S = 10.0


def _picture(value: int) -> Picture:
    return np.full((2, 3, 3), value, np.uint8)


def test_latest_frame_wins(clock: FakeClock) -> None:
    source = PushedSource(fps=10, clock=clock)

    assert [source.put(_picture(value), _AT) for value in (1, 2, 3)] == [False, True, True]

    frame = source.take(timeout_s=0)
    assert frame is not None
    assert (int(frame.image_bgr[0, 0, 0]), frame.taken_at) == (3, _AT)
    assert source.take(timeout_s=0) is None


def test_frame_that_is_early_waits_for_its_turn(clock: FakeClock) -> None:
    source = PushedSource(fps=10, clock=clock)
    source.put(_picture(1), _AT)
    assert source.take(timeout_s=0) is not None

    source.put(_picture(2), _AT)
    assert source.take(timeout_s=0.001) is None
    clock.advance(0.1)
    assert source.take(timeout_s=0) is not None


def test_frames_end_when_stopped(clock: FakeClock) -> None:
    source, stop = PushedSource(fps=10, clock=clock), threading.Event()
    source.put(_picture(1), _AT)

    for frame in source.frames(stop):
        assert frame.image_bgr.shape == (2, 3, 3)
        stop.set()


@pytest.mark.parametrize("shape", [(2, 3), (2, 3, 4), (0, 3, 3)])
def test_what_is_no_colour_picture_is_refused(clock: FakeClock, shape: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match="a frame has the shape"):
        PushedSource(fps=10, clock=clock).put(np.zeros(shape, np.uint8), _AT)


def test_whoever_waits_gets_the_frame_of_another_thread() -> None:
    source = PushedSource(fps=10, clock=SystemClock())
    sender = threading.Timer(0.01, source.put, [_picture(5), _AT])
    sender.start()

    frame = source.take(timeout_s=_GIVE_UP_S)

    sender.join()
    assert frame is not None
    assert int(frame.image_bgr[0, 0, 0]) == 5
