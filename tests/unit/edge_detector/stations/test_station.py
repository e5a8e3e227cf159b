"""The station's thread is real; what it reads is a script."""

import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime

import numpy as np
import pytest
from edge_detector.sources.base import Frame, SourceAway
from edge_detector.stations.latest import Latest
from edge_detector.stations.reader import Reader, SourceEnded
from edge_detector.stations.roster import Condition, Post, Roster
from edge_detector.stations.station import LOST_MAX, Reading, Station, Told
from edge_detector.stations.watchdog import Rules
from maskwatch_proto.device_event import CameraChanged, CameraState
from maskwatch_runtime.clock import SystemClock
from maskwatch_runtime.retry import Backoff

_GIVE_UP_S = 20.0
_RULES = Rules(stalled_s=0.3, frozen_s=None, solid_s=None, down_after_s=0.4, up_after_s=0.0)
_AT = datetime(2026, 1, 1, tzinfo=UTC)


def _frame(value: int) -> Frame:
    return Frame(np.full((2, 2, 3), value, np.uint8), _AT, float(value))


class FakeReader:
    """Gives the script's frames, then is silent; None is a failure, -1 a bug."""

    def __init__(self, script: list[int | None], *, ends: bool, is_killable: bool) -> None:
        self._script = iter(script)
        self._ends = ends
        self._is_killable = is_killable
        self.is_closed = threading.Event()

    def read(self, *, timeout_s: float) -> Frame | None:
        try:
            value = next(self._script)
        except StopIteration:
            if self._ends:
                raise SourceEnded from None
            self.is_closed.wait(min(timeout_s, 0.02))
            return None
        if value is None:
            raise SourceAway("the camera gives no frame")
        if value < 0:
            raise OverflowError("a bug")
        return _frame(value)

    def close(self) -> bool:
        self.is_closed.set()
        return self._is_killable


class Scene:
    """A station over scripted readers, and what it told; without a script the camera is away."""

    def __init__(
        self,
        *scripts: list[int | None],
        is_live: bool = True,
        ends: bool = False,
        is_killable: bool = True,
        is_cool: bool = True,
    ) -> None:
        self._scripts = iter(scripts)
        self._ends, self._is_killable = ends, is_killable
        self._is_cool = is_cool
        self.readers: list[FakeReader] = []
        self.changes: list[CameraChanged] = []
        self.announced: list[CameraChanged] = []
        self.overwritten = self.replaced = self.lost = self.seen = self.opened = 0
        self.arrived = threading.Condition()
        self.slot = Latest(self.arrived)
        told = Told(
            changed=self._change,
            first_seen=self._count("seen"),
            overwritten=self._count("overwritten"),
            replaced=self._count("replaced"),
            lost=self._count("lost"),
        )
        self.station = Station(
            Reading("door", self._open, is_live, _RULES, is_due=self._is_due),
            self.slot,
            told,
            SystemClock(),
            Backoff(initial_s=0.01, cap_s=0.01),
        )
        self.roster = Roster([Post(self.station)], threading.Event())

    def _open(self) -> Reader:
        self.opened += 1
        script = next(self._scripts, None)
        if script is None:
            raise SourceAway("the fake camera cannot be opened")
        self.readers.append(FakeReader(script, ends=self._ends, is_killable=self._is_killable))
        return self.readers[-1]

    def _change(self, change: CameraChanged) -> None:
        is_news = change.state is CameraState.DOWN or change.down_s > 0
        (self.changes if is_news else self.announced).append(change)

    def _is_due(self, waited_s: float) -> bool:
        return self._is_cool or waited_s > 1e6  # the first, and then none for days

    def bring_back(self, script: list[int | None]) -> None:
        """Let the camera be opened again, for so many frames."""
        self._scripts = iter([script])

    def _count(self, what: str) -> Callable[[], None]:
        return lambda: setattr(self, what, getattr(self, what) + 1)

    def until(self, condition: Callable[[], object]) -> None:
        deadline_s = time.monotonic() + _GIVE_UP_S
        while not condition():
            assert time.monotonic() < deadline_s, (self.changes, self.station.failure)
            time.sleep(0.002)  # between two looks, not a guess how long it takes

    def values(self, count: int) -> list[int]:
        """Take so many frames."""
        values: list[int] = []
        while len(values) < count:
            self.until(lambda: not self.slot.is_empty)
            frame = self.slot.take()
            assert frame is not None
            values.append(int(frame.at_s))
        return values


@pytest.fixture
def scene() -> Iterator[Callable[..., Scene]]:
    entered: list[Scene] = []

    def make(*scripts: list[int | None], **how: bool) -> Scene:
        entered.append(Scene(*scripts, **how))
        entered[-1].roster.__enter__()
        return entered[-1]

    yield make
    for one in entered:
        one.roster.__exit__()


def test_latest_frame_wins_and_the_others_are_counted(scene: Callable[..., Scene]) -> None:
    watched = scene([1, 2, 3, 4, 5])
    watched.until(lambda: watched.overwritten == 4)

    assert watched.values(1) == [5]
    assert watched.seen == 1
    assert watched.station.fault == ""


def test_nothing_of_a_file_is_left_out(scene: Callable[..., Scene]) -> None:
    watched = scene([1, 2, 3, 4, 5], is_live=False, ends=True)

    assert watched.values(5) == [1, 2, 3, 4, 5]
    watched.until(lambda: watched.station.has_ended)
    assert watched.overwritten == 0
    assert watched.roster.condition("door") == (Condition.ENDED, "")


def test_file_has_ended_only_when_its_last_frame_was_taken(scene: Callable[..., Scene]) -> None:
    watched = scene([1], is_live=False, ends=True)
    watched.until(lambda: not watched.slot.is_empty)

    assert not watched.station.has_ended
    watched.values(1)
    watched.until(lambda: watched.station.has_ended)


def test_camera_that_goes_away_is_opened_again(scene: Callable[..., Scene]) -> None:
    watched = scene([1, None], [2])

    watched.until(lambda: watched.opened == 2)
    watched.until(lambda: not watched.slot.is_empty and watched.values(1) == [2])
    assert watched.replaced == 1
    assert watched.readers[0].is_closed.is_set()
    assert watched.changes == []


def test_camera_that_stays_away_is_told_once_with_its_reason(scene: Callable[..., Scene]) -> None:
    watched = scene([1])
    watched.until(lambda: watched.changes)
    watched.until(lambda: watched.opened > 10)

    (down,) = watched.changes
    assert (down.state, down.reason) == ("down", "the fake camera cannot be opened")
    assert watched.station.fault == "the fake camera cannot be opened"
    assert watched.roster.condition("door") == (Condition.DOWN, watched.station.fault)


def test_silent_camera_gets_a_new_reader(scene: Callable[..., Scene]) -> None:
    watched = scene([1], [2])

    watched.until(lambda: watched.opened == 2)
    assert watched.readers[0].is_closed.is_set()


def test_camera_that_comes_back_is_told_once_and_works(scene: Callable[..., Scene]) -> None:
    watched = scene([1])
    watched.until(lambda: watched.changes)
    watched.bring_back([1, 2])
    watched.until(lambda: len(watched.changes) == 2)

    assert [change.state for change in watched.changes] == ["down", "up"]
    assert watched.station.fault == ""


def test_camera_that_was_never_there_says_so(scene: Callable[..., Scene]) -> None:
    watched = scene()

    watched.until(lambda: watched.station.fault == "the fake camera cannot be opened")
    assert watched.seen == 0


def test_stopped_camera_is_let_go_and_nobody_is_told(scene: Callable[..., Scene]) -> None:
    watched = scene([1], [2])
    watched.values(1)

    watched.roster.stop("door")
    watched.until(watched.readers[0].is_closed.is_set)
    assert watched.roster.condition("door") == (Condition.STOPPED, "")
    assert watched.station.fault == ""

    watched.roster.start("door")
    assert watched.values(1) == [2]
    assert watched.changes == []


def test_readers_that_cannot_be_ended_are_counted_and_too_many_end_the_service(
    scene: Callable[..., Scene],
) -> None:
    watched = scene(*([[1, None]] * 20), is_killable=False)

    watched.until(lambda: watched.station.failure)
    assert watched.lost == LOST_MAX
    assert "readers of door cannot be ended" in str(watched.station.failure)


def test_bug_in_a_reader_is_kept_for_the_loop(scene: Callable[..., Scene]) -> None:
    watched = scene([1, -1])

    watched.until(lambda: watched.station.failure)
    assert isinstance(watched.station.failure, OverflowError)


def test_camera_that_is_not_there_cannot_be_started(scene: Callable[..., Scene]) -> None:
    watched = scene()

    with pytest.raises(KeyError):
        watched.roster.start("window")
    with pytest.raises(KeyError):
        watched.roster.pushed("window")
    assert watched.roster.pushed("door") is None


def test_when_it_is_hot_only_frames_that_are_due_are_handed_on(
    scene: Callable[..., Scene],
) -> None:
    watched = scene([1, 2, 3, 4, 5], is_cool=False)
    watched.until(lambda: watched.station.state.changes >= 4)

    assert watched.values(1) == [1]
    assert watched.overwritten == 0
    assert watched.station.fault == ""


def test_heat_leaves_nothing_of_a_file_out(scene: Callable[..., Scene]) -> None:
    watched = scene([1, 2, 3], is_cool=False, is_live=False, ends=True)

    assert watched.values(3) == [1, 2, 3]


def test_station_that_joins_begins_and_one_that_leaves_lets_go(
    scene: Callable[..., Scene],
) -> None:
    watched = scene([1])
    other = Scene([7])
    other.station.reading = replace(other.station.reading, name="hall")
    watched.roster.join([Post(other.station)])
    assert other.values(1) == [7]

    watched.roster.leave(["door"])

    assert watched.readers[0].is_closed.is_set()
    assert [station.name for station in watched.roster] == ["hall"]
    with pytest.raises(KeyError):
        watched.roster.condition("door")
