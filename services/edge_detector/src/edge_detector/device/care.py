"""Looks after the device: its temperature every few seconds, a heartbeat every minute."""

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from maskwatch_proto.device_event import Heartbeat
from maskwatch_runtime.clock import Clock
from maskwatch_runtime.retry import sleep_unless_stopped

from edge_detector.device import heartbeat
from edge_detector.device import heat as heats
from edge_detector.device.heartbeat import About, Backlog, FrameRates, Vitals
from edge_detector.device.heat import Heat, Sensed


def _nobody(_: Sensed, __: float) -> None:
    """Nobody wants to know."""


@dataclass(frozen=True, slots=True)
class Body:
    """What is looked after, as the service knows it.

    Attributes:
        about: What runs here.
        outbox_path: Its disk and its rows are told.
        runtime: Returns what runs the models now.
        cameras: Returns every camera by its name, and whether it works.
    """

    about: About
    outbox_path: Path
    runtime: Callable[[], str]
    cameras: Callable[[], Mapping[str, bool]]

    def backlog(self) -> Backlog:
        return heartbeat.backlog(self.outbox_path)

    def disk_free_bytes(self) -> int | None:
        return heartbeat.disk_free_bytes(self.outbox_path)


@dataclass(frozen=True, slots=True)
class Listeners:
    """Who is told: each heartbeat; each look at the sensors, with the share of frames judged."""

    emit: Callable[[Heartbeat], None]
    sensed: Callable[[Sensed, float], None] = _nobody


@dataclass(frozen=True, slots=True)
class Pace:
    """Seconds between two looks at the temperature, and between two heartbeats."""

    look_s: float = 5.0
    heartbeat_s: float = 60.0


class Care:
    """The device's health: `heat.share` slows the cameras, `rates` counts their frames.

    Args:
        body: What is looked after.
        listeners: Who is told.
        clock: Where the time comes from.
        heat: Follows the temperature.
        sense: Reads the sensors.
    """

    def __init__(
        self,
        body: Body,
        listeners: Listeners,
        *,
        clock: Clock,
        heat: Heat | None = None,
        sense: Callable[[], Sensed] = heats.read,
    ) -> None:
        self.heat = heat or Heat()
        self.rates = FrameRates(clock.monotonic_s())
        self._body = body
        self._listeners = listeners
        self._clock = clock
        self._sense = sense
        self._started_s = clock.monotonic_s()
        self._sensed = Sensed(None, is_throttled=False)

    async def run(self, stop: asyncio.Event, pace: Pace | None = None) -> None:
        """Look and tell until `stop` is set; the first heartbeat comes at once."""
        chosen = pace or Pace()
        told_s: float | None = None
        while not stop.is_set():
            # In a thread: a dying card or a busy bus may hold a read for seconds.
            await asyncio.to_thread(self.look)
            now_s = self._clock.monotonic_s()
            if told_s is None or now_s - told_s >= chosen.heartbeat_s:
                told_s = now_s
                self._listeners.emit(await asyncio.to_thread(self.beat))
            await sleep_unless_stopped(min(chosen.look_s, chosen.heartbeat_s), stop=stop)

    def look(self) -> None:
        """Read the sensors and let the frame rate follow."""
        self._sensed = self._sense()
        share = self.heat.observe(self._sensed.temperature_c, self._clock.monotonic_s())
        self._listeners.sensed(self._sensed, share)

    def beat(self) -> Heartbeat:
        """Return how the device does, from the last look on."""
        body, now_s = self._body, self._clock.monotonic_s()
        vitals = Vitals(
            runtime=body.runtime(),
            uptime_s=now_s - self._started_s,
            temperature_c=self._sensed.temperature_c,
            is_throttled=self._sensed.is_throttled or self.heat.is_throttling,
            disk_free_bytes=body.disk_free_bytes(),
            backlog=body.backlog(),
            problems=heartbeat.problems(body.outbox_path),
        )
        cameras = self.rates.pulses(body.cameras(), now_s)
        return heartbeat.compose(body.about, vitals, cameras, now=self._clock.now())
