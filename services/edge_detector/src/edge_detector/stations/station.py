"""A camera's thread: it reads, watches over what it reads, and hands on the newest frame."""

import math
import threading
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

import structlog
from maskwatch_proto.device_event import CameraChanged, CameraState
from maskwatch_runtime.clock import Clock
from maskwatch_runtime.retry import Backoff

from edge_detector.sources.base import Frame, SourceAway
from edge_detector.stations import watchdog
from edge_detector.stations.latest import Latest
from edge_detector.stations.reader import Reader, SourceEnded

_log = structlog.get_logger()
_LOOK_S = 0.25
BACKOFF_CAP_S = 60.0
# Processes that even SIGKILL does not end hold a broken driver; more of them help nobody.
LOST_MAX = 8


@dataclass(frozen=True, slots=True)
class Told:
    """Who is told what happens at a station; all are called by its thread.

    Attributes:
        changed: The camera went down or came back, once each.
        first_seen: Its first frame has come.
        overwritten: A frame gave way to a newer one before it was judged.
        replaced: A reader was closed, and another will be opened.
        lost: A process of a reader cannot be ended.
    """

    changed: Callable[[CameraChanged], None]
    first_seen: Callable[[], None]
    overwritten: Callable[[], None]
    replaced: Callable[[], None]
    lost: Callable[[], None]


@dataclass(frozen=True, slots=True)
class Reading:
    """How a camera is read.

    Attributes:
        name: The camera's.
        open_reader: Begins to read; SourceAway and Misconfigured may come of it.
        is_live: The newest frame wins; otherwise none is left out.
        rules: When it cannot be believed.
        is_due: Whether a live camera's frame is to be judged so many seconds after the last that
            was handed on.
    """

    name: str
    open_reader: Callable[[], Reader]
    is_live: bool
    rules: watchdog.Rules
    is_due: Callable[[float], bool] = lambda _waited_s: True

    def begun(self, now_s: float) -> watchdog.State:
        """Return what is known of the camera before its first frame."""
        return watchdog.State(good_at_s=now_s, is_announced=not self.rules.is_watched)


@dataclass
class Station:
    """Reads one camera until it is stopped, or the file has ended.

    Attributes:
        reading: How.
        slot: Where frames go.
        told: Who is told.
        clock: Where the time comes from.
        backoff: Delays before a reader is replaced.
        failure: The bug that ended the thread; None while there is none.
    """

    reading: Reading
    slot: Latest
    told: Told
    clock: Clock
    backoff: Backoff = field(default_factory=lambda: Backoff(initial_s=0.5, cap_s=BACKOFF_CAP_S))
    failure: BaseException | None = None

    def __post_init__(self) -> None:
        self._stop = threading.Event()
        self._wanted = threading.Event()
        self._wanted.set()
        self._ended = threading.Event()
        self._lost = 0
        self._thread: threading.Thread | None = None
        self._state = self.reading.begun(self.clock.monotonic_s())
        self._handed_on_s = -math.inf

    @property
    def name(self) -> str:
        return self.reading.name

    @property
    def state(self) -> watchdog.State:
        """What is known of the camera."""
        return self._state

    @property
    def has_ended(self) -> bool:
        """Whether nothing will come any more, and everything that came was taken."""
        return self._ended.is_set() and self.slot.is_empty

    @property
    def is_wanted(self) -> bool:
        """Whether the camera is to be read: an operator may have stopped it."""
        return self._wanted.is_set()

    @property
    def fault(self) -> str:
        """Return what is wrong with the camera; empty when it works or was stopped on purpose."""
        state = self._state
        is_working = state.good_since_s is not None or (state.has_been_good and not state.is_down)
        return "" if is_working or not self.is_wanted else state.fault

    def begin(self) -> None:
        """Begin the thread; a daemon, since a file on a network may keep a read for ever."""
        self._thread = threading.Thread(target=self._run, name=f"station-{self.name}", daemon=True)
        self._thread.start()

    def end(self) -> None:
        """Let the thread end; `join` waits for it."""
        self._stop.set()
        self._wanted.set()

    def join(self, *, timeout_s: float) -> None:
        if self._thread is not None:
            self._thread.join(timeout_s)

    def resume(self) -> None:
        """Read the camera again."""
        self._wanted.set()

    def pause(self) -> None:
        """Stop reading the camera and let go of it; nobody is told that it is down."""
        self._wanted.clear()

    def _run(self) -> None:
        try:
            while not self._stop.is_set():
                if not self.is_wanted:
                    self._idle()
                    continue
                self._read_once()
        except SourceEnded:
            _log.info("the source has ended", action="end_of_source", camera=self.name)
        except BaseException as error:  # noqa: BLE001 - the loop raises it in its own thread
            self.failure = error
        finally:
            self._ended.set()

    def _idle(self) -> None:
        self.slot.clear()
        while not self._wanted.wait(_LOOK_S) and not self._stop.is_set():
            pass
        # The time without it was wanted: it does not count as a time of being away.
        was_well = self._state.is_announced and not self._state.is_down
        begun = self.reading.begun(self.clock.monotonic_s())
        self._state = replace(begun, is_announced=begun.is_announced or was_well)
        self.backoff.reset()

    def _read_once(self) -> None:
        """Open the source and read it until it has to be replaced; then wait."""
        try:
            reader = self.reading.open_reader()
        except SourceAway as away:
            self._observe(watchdog.Failure(str(away)))
        else:
            self._observe(watchdog.Opened())
            try:
                self._read(reader)
            finally:
                self._close(reader)
        if not self._stop.is_set() and self.is_wanted:
            self._wait()

    def _read(self, reader: Reader) -> None:
        while not self._stop.is_set() and self.is_wanted:
            try:
                frame = reader.read(timeout_s=_LOOK_S)
            except SourceAway as away:
                self._observe(watchdog.Failure(str(away)))
                return
            if self._observe(self._looked(frame)):
                return
            if frame is not None and self._is_believed:
                self._hand_on(frame)

    def _looked(self, frame: Frame | None) -> watchdog.Observation:
        return watchdog.Silence() if frame is None else watchdog.look(frame.image_bgr)

    @property
    def _is_believed(self) -> bool:
        return self._state.good_since_s is not None

    def _hand_on(self, frame: Frame) -> None:
        if not self.reading.is_live:
            self.slot.hand_over(frame, stop=self._stop)
            return
        now_s = self.clock.monotonic_s()
        if not self.reading.is_due(now_s - self._handed_on_s):
            return  # it is too hot to judge them all
        self._handed_on_s = now_s
        if self.slot.put(frame):
            self.told.overwritten()

    def _observe(self, observation: watchdog.Observation) -> bool:
        """Take it in, tell what it changes, and return whether to replace the reader."""
        now_s = self.clock.monotonic_s()
        verdict = watchdog.observe(self._state, observation, now_s, self.reading.rules)
        if verdict.state.has_been_good and not self._state.has_been_good:
            self.told.first_seen()
        self._state = verdict.state
        good_s = verdict.state.good_since_s
        if good_s is not None and now_s - good_s >= self.reading.rules.up_after_s:
            self.backoff.reset()
        if verdict.change is not None:
            self._tell(verdict.change)
        return verdict.needs_new_reader

    def _tell(self, change: watchdog.Change) -> None:
        state = CameraState.UP if change.is_up else CameraState.DOWN
        since: datetime = self.clock.now() - timedelta(seconds=change.ago_s)
        changed = CameraChanged(
            state=state, reason=change.reason[:500], since=since, down_s=max(0.0, change.down_s)
        )
        log = _log.info if change.is_up and not change.down_s else _log.warning
        log(
            f"camera {state}",
            action=f"camera_{state}",
            camera=self.name,
            reason=changed.reason,
            down_s=round(changed.down_s, 1),
        )
        self.told.changed(changed)

    def _close(self, reader: Reader) -> None:
        if reader.close():
            return
        self._lost += 1
        self.told.lost()
        _log.error("a reader cannot be ended", action="lose", camera=self.name, lost=self._lost)
        if self._lost >= LOST_MAX:
            raise RuntimeError(f"{self._lost} readers of {self.name} cannot be ended")

    def _wait(self) -> None:
        """Wait before the next reader; the watchdog goes on looking at the clock."""
        delay_s = self.backoff.next_s()
        self.told.replaced()
        _log.warning(
            "waiting for the camera",
            action="reconnect",
            camera=self.name,
            reason=self._state.fault,
            delay_s=round(delay_s, 2),
        )
        due_s = self.clock.monotonic_s() + delay_s
        while (left_s := due_s - self.clock.monotonic_s()) > 0:
            if self._stop.wait(min(left_s, _LOOK_S)) or not self.is_wanted:
                return
            self._observe(watchdog.Silence())
