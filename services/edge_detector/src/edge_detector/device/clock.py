"""Whether the device's clock can be believed, and when it was set.

A device without a battery begins in 1970 or where it stopped, and is set minutes later. Until then
its events are flagged; (boot_id, sequence) is their order whatever the clock says.
"""

import ctypes
import threading
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import structlog
from maskwatch_proto.alert import ClockQuality
from maskwatch_runtime.clock import Clock

_log = structlog.get_logger()
# Before this software was written.
_EARLIEST = datetime(2024, 1, 1, tzinfo=UTC)
_TIMESYNC = Path("/run/systemd/timesync/synchronized")
# From sys/timex.h; the kernel sets it at boot, whenever the clock is set by hand, and when nothing
# has steered the clock for some nine hours. Time services clear it, chrony with `rtcsync`.
_STA_UNSYNC = 0x40
# What a time service may change without setting the clock: parts of the time that has passed.
_SLEW_MAX = 500e-6
_STEP_S_MIN = 1.0


class _Timex(ctypes.Structure):
    """The beginning of struct timex, with room for the rest."""

    _fields_ = (
        ("modes", ctypes.c_uint),
        ("offset", ctypes.c_long),
        ("freq", ctypes.c_long),
        ("maxerror", ctypes.c_long),
        ("esterror", ctypes.c_long),
        ("status", ctypes.c_int),
        ("rest", ctypes.c_byte * 512),
    )


@dataclass(frozen=True, slots=True)
class Evidence:
    """What the system says of its clock.

    Attributes:
        is_in_sync: The kernel's word; None when it may not be asked.
        timesync_at_ns: When systemd-timesyncd last set it, as a file's time; None when it has not.
    """

    is_in_sync: bool | None
    timesync_at_ns: int | None


@dataclass(frozen=True, slots=True)
class Reading:
    """Both clocks at one moment."""

    now: datetime
    monotonic_s: float


def quality(now: datetime, evidence: Evidence, *, doubted_ns: int | None) -> ClockQuality:
    """Return whether a clock that shows `now` can be believed.

    The kernel's word is the better one: it changes when the clock is set by hand, and the file
    stays. Where there is neither, nothing is known, and that is uncertain.

    Args:
        now: What the clock shows.
        evidence: What the system says of it.
        doubted_ns: The file's time when the clock was last seen to step; it counts no longer.
    """
    is_in_sync = evidence.is_in_sync
    if is_in_sync is None:
        is_in_sync = evidence.timesync_at_ns not in {None, doubted_ns}
    if now < _EARLIEST or not is_in_sync:
        return ClockQuality.UNCERTAIN
    return ClockQuality.SYNCHRONISED


def step_s(before: Reading, after: Reading) -> float:
    """Return by how many seconds the wall clock was set between two readings; 0 if it was not."""
    passed_s = after.monotonic_s - before.monotonic_s
    moved_s = (after.now - before.now).total_seconds() - passed_s
    return moved_s if abs(moved_s) > max(_STEP_S_MIN, passed_s * _SLEW_MAX) else 0.0


def read(timesync: Path = _TIMESYNC) -> Evidence:
    """Return what this system says of its clock."""
    try:
        timesync_at_ns = timesync.stat().st_mtime_ns
    except OSError:
        timesync_at_ns = None
    return Evidence(_kernel_is_in_sync(), timesync_at_ns)


def _kernel_is_in_sync() -> bool | None:
    """Ask adjtimex(2) without changing anything; None where there is none, or it is forbidden."""
    try:
        adjtimex = ctypes.CDLL(None).adjtimex
    except (AttributeError, OSError):
        return None
    timex = _Timex()
    if adjtimex(ctypes.byref(timex)) < 0:
        return None
    return not timex.status & _STA_UNSYNC


def _nobody(_: float) -> None:
    """Nobody wants to know."""


class Timekeeper:
    """Judges the clock for every event, and sees when it is set; for any thread.

    Args:
        clock: Wall and monotonic time.
        evidence: What the system says of its clock.
        on_step: Told by how many seconds the clock was set, each time.
    """

    def __init__(
        self,
        clock: Clock,
        *,
        evidence: Callable[[], Evidence] = read,
        on_step: Callable[[float], None] = _nobody,
    ) -> None:
        self._clock = clock
        self._evidence = evidence
        self._on_step = on_step
        self._lock = threading.Lock()
        self._before = self._reading()
        self._doubted_ns: int | None = None

    def quality_at(self, now: datetime) -> ClockQuality:
        """Return whether a time that this clock has shown can be believed."""
        with self._lock:
            evidence = self._evidence()
            self._look(evidence)
            return quality(now, evidence, doubted_ns=self._doubted_ns)

    def _look(self, evidence: Evidence) -> None:
        before, self._before = self._before, self._reading()
        if moved_s := step_s(before, self._before):
            self._doubted_ns = evidence.timesync_at_ns
            _log.warning("the clock was set", action="clock_step", step_s=round(moved_s, 3))
            self._on_step(moved_s)

    def _reading(self) -> Reading:
        return Reading(self._clock.now(), self._clock.monotonic_s())
