"""Whose turn it is: one thread judges the newest frame of each camera in turn.

One model on one core is faster than two that share it, so the cameras share one thread.
"""

import threading
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

import structlog
from maskwatch_proto.alert import Alert
from maskwatch_proto.device_event import DeviceEvent
from maskwatch_runtime.clock import Clock
from maskwatch_runtime.health import Health, Progress

from edge_detector.sources.base import Frame
from edge_detector.stations.latest import Latest

_log = structlog.get_logger()
_TICK_S = 1.0
_LOOK_S = 0.2

Event = Alert | DeviceEvent


class Judge(Protocol):
    """What makes events of one camera's frames; `pipeline.Pipeline` is one."""

    def process(self, frame: Frame) -> Sequence[Event]: ...
    def tick(self, now: datetime, *, idle_s: float) -> Sequence[Event]: ...
    def close(self, now: datetime) -> Sequence[Event]: ...


class Camera(Protocol):
    """What the loop has to know of a station; `station.Station` is one."""

    failure: BaseException | None

    @property
    def name(self) -> str: ...
    @property
    def slot(self) -> Latest: ...
    @property
    def has_ended(self) -> bool: ...
    @property
    def fault(self) -> str: ...


@dataclass(frozen=True, slots=True)
class Turn:
    """One camera and what judges it."""

    camera: Camera
    judge: Judge


@dataclass(frozen=True, slots=True)
class Outlet:
    """Where what the loop finds goes.

    Attributes:
        put: Takes an event over and never waits.
        taken: Told of each frame that is taken up, by its camera's name.
        health: Not ready while no camera works.
        progress: Not live when a frame is never done.
        ended: Told how many frames there were once every source has ended; the loop then waits for
            other cameras. None: it returns.
    """

    put: Callable[[Event], None]
    taken: Callable[[str], None]
    health: Health
    progress: Progress
    ended: Callable[[int], None] | None = None


class LoopEnded(Exception):  # noqa: N818 - named for what has happened
    """Nobody takes the frames any more."""


class Loop:
    """Takes each camera's newest frame in turn: a fast one cannot starve a slow one."""

    def __init__(
        self, turns: Sequence[Turn], arrived: threading.Condition, outlet: Outlet, *, clock: Clock
    ) -> None:
        self._turns = tuple(turns)
        self._arrived = arrived
        self._outlet = outlet
        self._clock = clock
        self._next = 0
        self._ticked_s = clock.monotonic_s()
        self._framed_s = {turn.camera.name: self._ticked_s for turn in turns}
        self._asked: deque[tuple[Callable[[], Sequence[Turn]], Future[None]]] = deque()
        self._has_ended = False

    @property
    def has_ended(self) -> bool:
        return self._has_ended

    def rearrange(self, change: Callable[[], Sequence[Turn]]) -> None:
        """Go on with the turns that `change` returns; returns once that is done.

        It is called by the loop's thread between two frames, so that it may touch the judges. Those
        that are left out are closed, and what they still have to tell is told.

        Raises:
            LoopEnded: It was not called.
        """
        done: Future[None] = Future()
        with self._arrived:
            if self._has_ended:
                raise LoopEnded
            self._asked.append((change, done))
            self._arrived.notify_all()
        done.result()

    def run(self, halt: threading.Event) -> int:
        """Judge frames until `halt` is set, or every source has ended; return how many.

        Raises:
            RuntimeError: A station has failed; its own error is the cause.
        """
        try:
            frames = self._take_turns(halt)
        finally:
            self._end()
        self._close()
        return frames

    def _take_turns(self, halt: threading.Event) -> int:
        frames = 0
        while not halt.is_set():
            while self._asked:
                self._rearrange(*self._asked.popleft())
            self._check()
            index = self._turn()
            if index is not None:
                frames += self._judge(index)
            elif not self._asked and all(turn.camera.has_ended for turn in self._turns):
                if self._outlet.ended is None:
                    break
                self._rest(halt, self._outlet.ended, frames)
            self._tick()
        return frames

    def _rest(self, halt: threading.Event, ended: Callable[[int], None], frames: int) -> None:
        """Say that nothing is left to watch, and wait for other cameras or the end."""
        self._close()
        ended(frames)
        while not (self._asked or halt.is_set()):
            with self._arrived:
                self._arrived.wait_for(lambda: self._asked, _LOOK_S)

    def _close(self) -> None:
        for turn in self._turns:
            self._put(turn.judge.close(self._clock.now()))

    def _end(self) -> None:
        with self._arrived:
            self._has_ended = True
            for _, done in self._asked:
                done.set_exception(LoopEnded())

    def _rearrange(self, change: Callable[[], Sequence[Turn]], done: Future[None]) -> None:
        try:
            turns = tuple(change())
        except Exception as error:  # noqa: BLE001 - it is raised where it was asked for
            done.set_exception(error)
            return
        staying = {id(turn.judge) for turn in turns}
        for turn in self._turns:
            if id(turn.judge) not in staying:
                self._put(turn.judge.close(self._clock.now()))
        now_s = self._clock.monotonic_s()
        self._framed_s = {
            turn.camera.name: self._framed_s.get(turn.camera.name, now_s) for turn in turns
        }
        self._turns = turns
        done.set_result(None)

    def _turn(self) -> int | None:
        """Return the next camera with a frame; None when none comes for a moment."""
        with self._arrived:
            self._arrived.wait_for(self._has_news, _LOOK_S)
        for offset in range(len(self._turns)):
            index = (self._next + offset) % len(self._turns)
            if not self._turns[index].camera.slot.is_empty:
                self._next = index + 1
                return index
        return None

    def _has_news(self) -> bool:
        return bool(self._asked) or any(not turn.camera.slot.is_empty for turn in self._turns)

    def _judge(self, index: int) -> bool:
        """Judge a camera's newest frame; return whether it was still there."""
        turn = self._turns[index]
        frame = turn.camera.slot.take()
        if frame is None:  # the camera was stopped meanwhile
            return False
        self._outlet.taken(turn.camera.name)
        self._outlet.progress.waits()
        self._put(turn.judge.process(frame))
        self._outlet.progress.made()
        self._framed_s[turn.camera.name] = self._clock.monotonic_s()
        return True

    def _tick(self) -> None:
        """Let end what ends without a frame, at cameras that give none."""
        now_s = self._clock.monotonic_s()
        if now_s - self._ticked_s < _TICK_S:
            return
        self._ticked_s = now_s
        for turn in self._turns:
            framed_s = self._framed_s[turn.camera.name]
            if now_s - framed_s >= _TICK_S and not turn.camera.has_ended:
                self._put(turn.judge.tick(self._clock.now(), idle_s=now_s - framed_s))

    def _put(self, events: Sequence[Event]) -> None:
        for event in events:
            self._outlet.put(event)

    def _check(self) -> None:
        for turn in self._turns:
            if turn.camera.failure is not None:
                raise RuntimeError(f"camera {turn.camera.name} failed") from turn.camera.failure
        report(self._outlet.health, [turn.camera for turn in self._turns])


def report(health: Health, cameras: Sequence[Camera]) -> None:
    """Say in the health report whether any camera works: with one that does, others may be down."""
    faults = [(camera.name, camera.fault) for camera in cameras]
    if all(fault for _, fault in faults):
        health.missing("cameras", "; ".join(f"{name}: {fault}" for name, fault in faults))
    else:
        health.present("cameras")
