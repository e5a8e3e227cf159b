"""What processes take while they run: resident memory, file descriptors, connections."""

import asyncio
import json
import statistics
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import psutil

_EVERY_S = 1.0


@dataclass(frozen=True)
class Sample:
    """One look at a process; `at_s` on the monotonic clock, memory in MB (10^6 bytes)."""

    at_s: float
    rss_mb: float
    descriptors: int
    connections: int


@dataclass(frozen=True)
class Trend:
    """What one process took from its start to the end.

    Attributes:
        seconds: How long it was watched, its beginning left out.
        rss_mb: Median.
        rss_mb_per_hour: Slope: the median of the slopes between all pairs of samples.
        growth: Share of `rss_mb` by which that slope made it grow while it was watched.
        descriptors_more: By how many the end's median is above the beginning's.
        connections_more: The same of connections.
    """

    seconds: float
    rss_mb: float
    rss_mb_per_hour: float
    growth: float
    descriptors_more: int
    connections_more: int


class Watch:
    """Samples the processes that run under some names, every second.

    Args:
        pids: The process of each name now; None while it is away. A new pid is a new life: what was
            seen of the one before is dropped.
    """

    def __init__(self, pids: Callable[[], Mapping[str, int | None]]) -> None:
        self._pids = pids
        self._lives: dict[str, int] = {}
        self.samples: dict[str, list[Sample]] = {}

    async def run(self) -> None:
        """Sample until cancelled."""
        while True:
            for name, pid in self._pids().items():
                if pid is not None:
                    self._look(name, pid)
            await asyncio.sleep(_EVERY_S)

    def save(self, path: Path) -> None:
        """Write what was seen, by name: seconds since the first sample, MB; to look at a slope."""
        series = {
            name: [(round(one.at_s - samples[0].at_s, 1), round(one.rss_mb, 2)) for one in samples]
            for name, samples in self.samples.items()
        }
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(series), encoding="utf-8")

    def _look(self, name: str, pid: int) -> None:
        if self._lives.get(name) != pid:
            self._lives[name] = pid
            self.samples[name] = []
        try:
            process = psutil.Process(pid)
            sample = Sample(
                time.monotonic(),
                process.memory_info().rss / 1e6,
                process.num_fds(),
                len(process.net_connections(kind="tcp")),
            )
        except psutil.Error:  # it has just gone
            return
        self.samples[name].append(sample)


def trend(samples: Sequence[Sample], *, settle_s: float) -> Trend | None:
    """Return what a process did after its first `settle_s` seconds; None if it lived no longer."""
    kept = [one for one in samples if samples and one.at_s - samples[0].at_s >= settle_s]
    if len(kept) < 8:
        return None
    seconds = kept[-1].at_s - kept[0].at_s
    level = statistics.median(one.rss_mb for one in kept)
    slope = _slope([(one.at_s, one.rss_mb) for one in _thinned(kept)])
    quarter = len(kept) // 4
    first, last = kept[:quarter], kept[-quarter:]
    return Trend(
        seconds=seconds,
        rss_mb=level,
        rss_mb_per_hour=slope * 3600,
        growth=slope * seconds / level,
        descriptors_more=_median(one.descriptors for one in last)
        - _median(one.descriptors for one in first),
        connections_more=_median(one.connections for one in last)
        - _median(one.connections for one in first),
    )


def _slope(points: Sequence[tuple[float, float]]) -> float:
    """Theil-Sen: a few high samples do not bend it."""
    slopes = [
        (late[1] - early[1]) / (late[0] - early[0])
        for number, early in enumerate(points)
        for late in points[number + 1 :]
        if late[0] > early[0]
    ]
    return statistics.median(slopes)


def _thinned(samples: Sequence[Sample], most: int = 200) -> Sequence[Sample]:
    return samples[:: max(1, len(samples) // most)]


def _median(values: Iterable[int]) -> int:
    return round(statistics.median(values))
