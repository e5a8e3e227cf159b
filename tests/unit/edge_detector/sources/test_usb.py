"""The camera is a fake, since a test machine has none."""

import threading
from typing import Any

import numpy as np
import pytest
from edge_detector.sources.base import SourceAway
from edge_detector.sources.usb import UsbSource, open_camera
from maskwatch_runtime.testing import FakeClock


class FakeCapture:
    """Gives what the script says: a number is a picture of that value, None a broken one.

    Frames come 25 a second; after the script there is none.
    """

    def __init__(self, script: list[int | None], clock: FakeClock) -> None:
        self._script = iter(script)
        self._clock = clock
        self._value: int | None = None
        self.retrieved: list[int] = []
        self.is_released = False

    def grab(self) -> bool:
        self._clock.advance(0.04)
        try:
            self._value = next(self._script)
        except StopIteration:
            return False
        return True

    def retrieve(self) -> tuple[bool, Any]:
        if self._value is None:
            return False, None
        self.retrieved.append(self._value)
        return True, np.full((2, 2, 3), self._value, np.uint8)

    def release(self) -> None:
        self.is_released = True


def test_frames_come_until_there_is_none(clock: FakeClock) -> None:
    capture = FakeCapture([1, 2], clock)
    frames = UsbSource(lambda: capture, fps=60, clock=clock).frames(threading.Event())

    first, second = next(frames), next(frames)
    with pytest.raises(SourceAway, match="gives no frame"):
        next(frames)

    assert [int(frame.image_bgr[0, 0, 0]) for frame in (first, second)] == [1, 2]
    assert second.at_s > first.at_s
    assert capture.is_released


def test_picture_that_cannot_be_decoded_is_a_camera_away(clock: FakeClock) -> None:
    source = UsbSource(lambda: FakeCapture([None], clock), fps=60, clock=clock)

    with pytest.raises(SourceAway, match="gives no picture"):
        list(source.frames(threading.Event()))


def test_frames_that_are_not_due_are_not_even_decoded(clock: FakeClock) -> None:
    capture = FakeCapture([*range(100)], clock)

    with pytest.raises(SourceAway):
        list(UsbSource(lambda: capture, fps=10, clock=clock).frames(threading.Event()))

    # Four seconds at ten frames a second.
    assert len(capture.retrieved) == pytest.approx(40, abs=1)


def test_stop_ends_the_reading_and_releases_the_camera(clock: FakeClock) -> None:
    capture, stop = FakeCapture([1, 2, 3], clock), threading.Event()
    read = 0
    for _ in UsbSource(lambda: capture, fps=60, clock=clock).frames(stop):
        read += 1
        stop.set()

    assert read == 1
    assert capture.is_released


def test_camera_that_does_not_exist_is_away() -> None:
    with pytest.raises(SourceAway, match="camera 999 cannot be opened"):
        open_camera(999, resolution_wh=(1280, 720), fps=10)
