"""How the device does, as it is told every minute."""

import os
import sqlite3
import threading
from collections import Counter
from collections.abc import Mapping
from contextlib import closing
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from maskwatch_proto.device_event import (
    CAMERAS_MAX,
    MODELS_MAX,
    PROBLEMS_MAX,
    CameraPulse,
    Heartbeat,
)
from maskwatch_runtime.outbox import quarantine
from maskwatch_runtime.outbox.outbox import Outbox

# What the contract takes; a clock that was set by decades makes larger ages.
_SECONDS_MAX = 1e9 - 1
_COUNT_MAX = 2**31 - 1
_FPS_MAX = 9999.0
_BUSY_S = 2.0


@dataclass(frozen=True, slots=True)
class About:
    """What runs here, the same until the next start: the program's version, names of the models."""

    version: str
    models: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Backlog:
    """Rows of the outbox that wait for the broker; when the oldest of them was stamped."""

    waiting: int = 0
    oldest_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Vitals:
    """What was measured at one moment; None is what could not be."""

    runtime: str
    uptime_s: float
    temperature_c: float | None = None
    is_throttled: bool = False
    disk_free_bytes: int | None = None
    backlog: Backlog = Backlog()
    problems: tuple[str, ...] = ()


def compose(
    about: About, vitals: Vitals, cameras: tuple[CameraPulse, ...], *, now: datetime
) -> Heartbeat:
    """Return the heartbeat; numbers that the contract does not take are brought to its limits."""
    oldest_at = vitals.backlog.oldest_at
    age_s = 0.0 if oldest_at is None else (now - oldest_at).total_seconds()
    return Heartbeat(
        version=about.version,
        models=about.models[:MODELS_MAX],
        runtime=vitals.runtime,
        uptime_s=_seconds(vitals.uptime_s),
        temperature_c=vitals.temperature_c,
        is_throttled=vitals.is_throttled,
        disk_free_bytes=vitals.disk_free_bytes,
        waiting=min(vitals.backlog.waiting, _COUNT_MAX),
        oldest_waiting_s=_seconds(age_s),
        cameras=cameras[:CAMERAS_MAX],
        problems=vitals.problems[:PROBLEMS_MAX],
    )


class FrameRates:
    """Counts each camera's frames; for any thread."""

    def __init__(self, now_s: float) -> None:
        self._lock = threading.Lock()
        self._frames: Counter[str] = Counter()
        self._since_s = now_s

    def taken(self, camera: str) -> None:
        """Count a frame that is judged."""
        with self._lock:
            self._frames[camera] += 1

    def pulses(self, is_up: Mapping[str, bool], now_s: float) -> tuple[CameraPulse, ...]:
        """Return each camera's frames a second since the last call, and begin anew.

        Args:
            is_up: Every camera by its name, and whether it works.
            now_s: Monotonic.
        """
        with self._lock:
            frames, self._frames = self._frames, Counter()
            elapsed_s, self._since_s = now_s - self._since_s, now_s
        return tuple(
            CameraPulse(name=name, is_up=up, fps=_rate(frames[name], elapsed_s))
            for name, up in is_up.items()
        )


def backlog(outbox: Path) -> Backlog:
    """Return what waits in the outbox; nothing when it cannot be read now.

    Read-only and on a connection of its own: a heartbeat may neither create the file nor hold up
    who writes to it.
    """
    try:
        connection = sqlite3.connect(f"{outbox.absolute().as_uri()}?mode=ro", _BUSY_S, uri=True)
        with closing(connection):
            reader = Outbox(connection)
            return Backlog(reader.unsent_count(), reader.oldest_unsent_at())
    except (sqlite3.Error, OSError, KeyError):  # KeyError: a new file, still without its tables
        return Backlog()


def problems(outbox: Path) -> tuple[str, ...]:
    """Return what somebody should look after: damaged files that lie beside the outbox."""
    found = quarantine.held(outbox)
    return tuple(f"a damaged outbox was put aside: {one.name}" for one in found)


def disk_free_bytes(path: Path) -> int | None:
    """Return what is left for the service on the disk that holds a file; None if it is gone."""
    try:
        disk = os.statvfs(path.absolute().parent)
    except OSError:
        return None
    return disk.f_bavail * disk.f_frsize


def _rate(frames: int, elapsed_s: float) -> float:
    return min(frames / elapsed_s, _FPS_MAX) if elapsed_s > 0 else 0.0


def _seconds(value: float) -> float:
    return min(max(value, 0.0), _SECONDS_MAX)
