"""The capture thread is real; the camera is a fake, since a test machine has none."""

import threading
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest
from edge_detector.sources.files import Frame, Pace
from edge_detector.sources.usb import CameraAway, Capture, LiveSource, Observer, open_camera
from maskwatch_runtime.clock import SystemClock
from maskwatch_runtime.health import Health
from maskwatch_runtime.retry import Backoff
from maskwatch_runtime.testing import FakeClock

_GIVE_UP_S = 10.0


class FakeCapture:
    """Gives what the script says: a number is a frame of that value, None a failed read.

    After the script it waits until it is released, as a camera without light may.
    """

    def __init__(self, script: list[int | None]) -> None:
        self._script = iter(script)
        self._released = threading.Event()

    def read(self) -> tuple[bool, Any]:
        try:
            value = next(self._script)
        except StopIteration:
            self._released.wait(_GIVE_UP_S)
            return False, None
        if value is None:
            return False, None
        return True, np.full((2, 2, 3), value, np.uint8)

    def release(self) -> None:
        self._released.set()


class Scene:
    """A live source over scripted captures, and what it told."""

    def __init__(self, *scripts: list[int | None] | None) -> None:
        self.stop = threading.Event()
        self._captures: list[FakeCapture] = []
        self.overwritten = self.reconnects = self.opened = 0
        self.health = Health(SystemClock())
        self._scripts = iter(scripts)
        self.source = LiveSource(
            self._open,
            fps_max=1000,
            pace=Pace(SystemClock(), is_kept=True),
            observer=Observer(self.health, self._on_overwritten, self._on_reconnect),
            backoff=Backoff(initial_s=0.001, cap_s=0.001),
        )

    def _open(self) -> Capture:
        self.opened += 1
        script = next(self._scripts, None)
        if script is None:
            raise CameraAway("the fake camera cannot be opened")
        self._captures.append(FakeCapture(script))
        return self._captures[-1]

    def _on_overwritten(self) -> None:
        self.overwritten += 1

    def _on_reconnect(self) -> None:
        self.reconnects += 1

    def frames(self) -> Iterator[Frame]:
        return self.source.frames(self.stop)

    def end(self) -> None:
        self.stop.set()
        for capture in self._captures:
            capture.release()


@pytest.fixture
def scene() -> Iterator[Callable[..., Scene]]:
    made: list[Scene] = []

    def make(*scripts: list[int | None] | None) -> Scene:
        made.append(Scene(*scripts))
        return made[-1]

    yield make
    for one in made:
        one.end()


def _until(condition: Callable[[], bool]) -> None:
    """Wait for the capture thread."""
    deadline = threading.Event()
    for _ in range(int(_GIVE_UP_S / 0.002)):
        if condition():
            return
        deadline.wait(0.002)
    pytest.fail("it did not happen")


def _value(frame: Frame) -> int:
    return int(frame.image_bgr[0, 0, 0])


def test_latest_frame_wins_and_the_others_are_counted(scene: Callable[..., Scene]) -> None:
    watched = scene([1, 2, 3, 4, 5])
    frames = watched.frames()

    first = next(frames)
    _until(lambda: _value(first) + watched.overwritten >= 4)
    last = first if _value(first) == 5 else next(frames)

    assert _value(last) == 5
    assert not last.is_scene
    assert watched.overwritten in (3, 4)


def test_camera_that_goes_away_is_opened_again(scene: Callable[..., Scene]) -> None:
    watched = scene([1, None], None, [2])
    frames = watched.frames()
    values = set()
    while 2 not in values:
        values.add(_value(next(frames)))

    assert watched.reconnects == 2
    assert watched.opened == 3
    assert watched.health.not_ready() == {}


def test_camera_that_is_away_is_not_ready_but_live(scene: Callable[..., Scene]) -> None:
    watched = scene()
    threading.Thread(target=lambda: list(watched.frames()), daemon=True).start()

    _until(lambda: watched.opened > 2)

    assert watched.health.not_ready() == {"camera": "the fake camera cannot be opened"}
    assert watched.health.not_live() == []


def test_read_that_never_returns_is_not_live() -> None:
    clock = FakeClock()
    health = Health(clock)
    released, stop = threading.Event(), threading.Event()
    reads = threading.Event()

    class Hanging:
        def read(self) -> tuple[bool, Any]:
            reads.set()
            released.wait(_GIVE_UP_S)
            return False, None

        def release(self) -> None: ...

    source = LiveSource(
        Hanging,
        fps_max=10,
        pace=Pace(clock, is_kept=False),
        observer=Observer(health, lambda: None, lambda: None),
    )
    thread = threading.Thread(target=lambda: list(source.frames(stop)), daemon=True)
    thread.start()
    assert reads.wait(_GIVE_UP_S)

    clock.advance(59)
    assert health.not_live() == []
    clock.advance(2)
    assert health.not_live() == ["camera"]

    stop.set()
    released.set()
    thread.join(_GIVE_UP_S)
    assert not thread.is_alive()


def test_frames_come_at_most_at_the_rate_that_is_set() -> None:
    clock = FakeClock()
    stop = threading.Event()
    waits_s: list[float] = []

    class Stop:
        def is_set(self) -> bool:
            return stop.is_set()

        def wait(self, timeout: float) -> bool:
            waits_s.append(timeout)
            clock.advance(timeout)
            return stop.is_set()

    class Endless:
        def read(self) -> tuple[bool, Any]:
            return not stop.is_set(), np.zeros((2, 2, 3), np.uint8)

        def release(self) -> None: ...

    source = LiveSource(
        Endless,
        fps_max=5,
        pace=Pace(clock, is_kept=True),
        observer=Observer(Health(clock), lambda: None, lambda: None),
    )
    frames = source.frames(Stop())
    times = [next(frames).at_s for _ in range(4)]
    stop.set()

    assert [round(wait_s, 6) for wait_s in waits_s[:3]] == [0.2] * 3
    assert times == sorted(times)


def test_usb_camera_that_does_not_exist_is_away() -> None:
    with pytest.raises(CameraAway, match="camera 999 cannot be opened"):
        open_camera(999)
