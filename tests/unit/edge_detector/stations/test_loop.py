"""The loop on slots that a test fills; judges write down what they are given."""

import queue
import threading
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from uuid import UUID

import numpy as np
import pytest
from edge_detector.sources.base import Frame
from edge_detector.stations.latest import Latest
from edge_detector.stations.loop import Event, Loop, LoopEnded, Outlet, Turn
from maskwatch_proto.alert import Alert, Device
from maskwatch_runtime.health import Health
from maskwatch_runtime.testing import FakeClock

_AT = datetime(2026, 1, 1, tzinfo=UTC)


class FakeCamera:
    """A camera that gives so many frames, each when the one before was taken."""

    def __init__(self, name: str, arrived: threading.Condition, *, frames: int) -> None:
        self.name = name
        self.slot = Latest(arrived)
        self.failure: BaseException | None = None
        self.fault = ""
        self.left = frames
        self.is_endless = False
        self.fill()

    def fill(self) -> None:
        if self.left and self.slot.is_empty:
            self.left -= 1
            self.slot.put(Frame(np.zeros((2, 2, 3), np.uint8), _AT, 0.0))

    @property
    def has_ended(self) -> bool:
        return not self.left and self.slot.is_empty and not self.is_endless


class FakeJudge:
    """One alert a frame; notes its name for each, and lets every camera see its next frame."""

    def __init__(self, world: "World", name: str) -> None:
        self._world = world
        self._name = name
        self.ticks_s: list[float] = []
        self.closed = 0
        self.halts: threading.Event | None = None

    def process(self, frame: Frame) -> Sequence[Event]:  # noqa: ARG002 - the protocol's signature
        self._world.order.append(self._name)
        self._world.clock.advance(self._world.frame_s)
        for camera in self._world.cameras:
            camera.fill()
        return [_alert(len(self._world.order))]

    def tick(self, now: datetime, *, idle_s: float) -> Sequence[Event]:  # noqa: ARG002 - the same
        self.ticks_s.append(idle_s)
        if self.halts is not None and len(self.ticks_s) == 2:
            self.halts.set()
        return []

    def close(self, now: datetime) -> Sequence[Event]:  # noqa: ARG002 - the same
        self.closed += 1
        return [_alert(1000 + self.closed)]


def _alert(number: int) -> Alert:
    return Alert(
        event_id=UUID(int=number), event_time=_AT, device=Device(guid="d"), probability=0.5
    )


class World:
    """Cameras of so many frames each, by name."""

    def __init__(
        self, clock: FakeClock, *, frame_s: float = 0.0, waits: bool = False, **frames: int
    ) -> None:
        self.clock, self.frame_s = clock, frame_s
        self.order: list[str] = []
        self.taken: list[str] = []
        self.put: list[Event] = []
        self.has_ended: queue.SimpleQueue[int] = queue.SimpleQueue()
        self.health = Health(clock)
        arrived = threading.Condition()
        self.cameras = [FakeCamera(name, arrived, frames=count) for name, count in frames.items()]
        self.judges = [FakeJudge(self, camera.name) for camera in self.cameras]
        self.loop = Loop(
            [Turn(camera, judge) for camera, judge in zip(self.cameras, self.judges, strict=True)],
            arrived,
            Outlet(
                self.put.append,
                self.taken.append,
                self.health,
                self.health.track("frames"),
                self.has_ended.put if waits else None,
            ),
            clock=clock,
        )


def test_cameras_take_turns(clock: FakeClock) -> None:
    world = World(clock, a=3, b=3, c=1)

    assert world.loop.run(threading.Event()) == 7

    assert world.order == ["a", "b", "c", "a", "b", "a", "b"]
    assert world.taken == world.order
    assert len(world.put) == 7 + 3
    assert [judge.closed for judge in world.judges] == [1, 1, 1]


def test_nothing_to_judge_is_the_end_at_once(clock: FakeClock) -> None:
    assert World(clock, a=0).loop.run(threading.Event()) == 0


def test_halt_ends_the_loop_with_what_was_counted(clock: FakeClock) -> None:
    halt = threading.Event()
    halt.set()
    world = World(clock, a=5)

    assert world.loop.run(halt) == 0
    assert [judge.closed for judge in world.judges] == [1]


def test_camera_without_frames_is_ticked_and_the_others_are_not(clock: FakeClock) -> None:
    halt = threading.Event()
    world = World(clock, frame_s=0.6, a=5, b=0)
    world.cameras[1].is_endless = True
    world.judges[1].halts = halt

    world.loop.run(halt)

    assert world.judges[0].ticks_s == []
    assert world.judges[1].ticks_s[0] >= 1.0
    assert world.judges[1].ticks_s == sorted(world.judges[1].ticks_s)


def test_station_that_failed_ends_the_service(clock: FakeClock) -> None:
    world = World(clock, a=1)
    world.cameras[0].failure = ValueError("a bug")

    with pytest.raises(RuntimeError, match="camera a failed") as failed:
        world.loop.run(threading.Event())
    assert isinstance(failed.value.__cause__, ValueError)


def test_one_camera_that_works_is_ready_and_none_is_not(clock: FakeClock) -> None:
    world = World(clock, a=1, b=1)
    world.cameras[0].fault = "no frame comes"
    world.loop.run(threading.Event())
    assert world.health.not_ready() == {}

    world = World(clock, a=1, b=1)
    for camera in world.cameras:
        camera.fault = "no frame comes"
    world.loop.run(threading.Event())
    assert world.health.not_ready() == {"cameras": "a: no frame comes; b: no frame comes"}
    assert world.health.not_live() == []


def test_frame_of_a_camera_stopped_meanwhile_is_not_judged(clock: FakeClock) -> None:
    slot = Latest(threading.Condition())
    slot.put(Frame(np.zeros((2, 2, 3), np.uint8), _AT, 0.0))
    slot.clear()

    assert slot.take() is None
    assert World(clock, a=0).loop.run(threading.Event()) == 0


def test_rearranged_loop_closes_what_is_left_out_and_goes_on_with_the_rest(
    clock: FakeClock,
) -> None:
    halt = threading.Event()
    world = World(clock, a=1, b=1, c=0)
    for camera in world.cameras:
        camera.is_endless = True
    kept, added = Turn(world.cameras[0], world.judges[0]), Turn(world.cameras[2], world.judges[2])
    with ThreadPoolExecutor(1) as pool:
        running = pool.submit(world.loop.run, halt)
        world.loop.rearrange(lambda: [kept, added])
        assert [judge.closed for judge in world.judges] == [0, 1, 0]

        world.cameras[2].left = 1
        world.cameras[2].fill()
        world.loop.rearrange(lambda: [kept, added])
        halt.set()
        running.result(10)

    assert [judge.closed for judge in world.judges] == [1, 1, 1]
    assert world.order.count("c") == 1
    assert world.loop.has_ended
    with pytest.raises(LoopEnded):
        world.loop.rearrange(lambda: [kept])


def test_change_that_fails_is_raised_where_it_was_asked_for_and_the_loop_goes_on(
    clock: FakeClock,
) -> None:
    halt = threading.Event()
    world = World(clock, a=0)
    world.cameras[0].is_endless = True

    def change() -> Sequence[Turn]:
        raise OverflowError("a bug")

    with ThreadPoolExecutor(1) as pool:
        running = pool.submit(world.loop.run, halt)
        with pytest.raises(OverflowError):
            world.loop.rearrange(change)
        halt.set()
        assert running.result(10) == 0


def test_ended_sources_make_room_for_other_cameras(clock: FakeClock) -> None:
    halt = threading.Event()
    world = World(clock, waits=True, a=2, b=0)
    with ThreadPoolExecutor(1) as pool:
        running = pool.submit(world.loop.run, halt)
        assert world.has_ended.get(timeout=10) == 2
        assert world.judges[0].closed == 1

        world.cameras[1].left = 1
        world.cameras[1].fill()
        world.loop.rearrange(lambda: [Turn(world.cameras[1], world.judges[1])])
        assert world.has_ended.get(timeout=10) == 3
        halt.set()
        assert running.result(10) == 3

    assert world.order == ["a", "a", "b"]
