import asyncio
from collections.abc import Callable
from pathlib import Path

import pytest
from edge_detector.device.care import Body, Care, Listeners, Pace
from edge_detector.device.heartbeat import About
from edge_detector.device.heat import Sensed
from maskwatch_proto.device_event import Heartbeat
from maskwatch_runtime.testing import FakeClock


def _ignore(_: Heartbeat) -> None:
    """The test looks at something else."""


class Sensors:
    """Says what a test has put in."""

    def __init__(self) -> None:
        self.says = Sensed(40.0, is_throttled=False)

    def __call__(self) -> Sensed:
        return self.says


@pytest.fixture
def sensors() -> Sensors:
    return Sensors()


@pytest.fixture
def care(tmp_path: Path, clock: FakeClock, sensors: Sensors) -> Callable[..., Care]:
    def make(listeners: Listeners) -> Care:
        body = Body(
            About("0.1.0", ("faces",)),
            tmp_path / "outbox.db",
            runtime=lambda: "litert 2.3.0 + libedgetpu.so.1",
            cameras=lambda: {"door": True},
        )
        return Care(body, listeners, clock=clock, sense=sensors)

    return make


def test_heartbeat_tells_heat_frames_and_uptime(
    care: Callable[..., Care], clock: FakeClock, sensors: Sensors
) -> None:
    looks: list[tuple[Sensed, float]] = []
    mine = care(Listeners(_ignore, lambda sensed, share: looks.append((sensed, share))))
    sensors.says = Sensed(76.0, is_throttled=False)
    for _ in range(120):
        mine.rates.taken("door")
    clock.advance(60)

    mine.look()
    told = mine.beat()

    assert looks == [(sensors.says, 0.5)]
    assert mine.heat.share == 0.5
    assert (told.temperature_c, told.is_throttled, told.uptime_s) == (76.0, True, 60.0)
    assert told.runtime == "litert 2.3.0 + libedgetpu.so.1"
    assert [(pulse.name, pulse.fps) for pulse in told.cameras] == [("door", 2.0)]


def test_firmware_that_throttles_is_told_though_it_is_not_warm(
    care: Callable[..., Care], sensors: Sensors
) -> None:
    mine = care(Listeners(_ignore))
    sensors.says = Sensed(None, is_throttled=True)

    mine.look()

    assert mine.beat().is_throttled
    assert mine.heat.share == 1.0


async def test_first_heartbeat_comes_at_once_and_then_every_so_often(
    care: Callable[..., Care], clock: FakeClock
) -> None:
    stop = asyncio.Event()
    told: list[float] = []

    def emit(beat: Heartbeat) -> None:
        told.append(beat.uptime_s)
        if len(told) == 3:
            stop.set()

    # Each look at the sensors takes 20 s of the fake clock, so every third one is a minute later.
    mine = care(Listeners(emit, lambda _, __: clock.advance(20)))

    await asyncio.wait_for(mine.run(stop, Pace(look_s=0.001, heartbeat_s=60)), timeout=10)

    assert told == [20, 80, 140]
