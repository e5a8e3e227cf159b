"""What a process takes."""

import asyncio
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass

import psutil


@dataclass
class Peak:
    """Largest resident set seen of any one process, in MB (10^6 bytes)."""

    rss_mb: float = 0.0


@asynccontextmanager
async def watched(*pids: int) -> AsyncIterator[Peak]:
    """Sample processes every 50 ms for as long as the block runs."""
    peak = Peak()
    processes = [psutil.Process(pid) for pid in pids]

    async def sample() -> None:
        while True:
            resident = [process.memory_info().rss / 1e6 for process in processes]
            peak.rss_mb = max(peak.rss_mb, *resident)
            await asyncio.sleep(0.05)

    sampling = asyncio.create_task(sample())
    try:
        yield peak
    finally:
        sampling.cancel()
        await asyncio.wait({sampling})


def cpu_s(pids: Iterable[int]) -> float:
    """Return the seconds of CPU, user and system, of processes and all below them until now."""
    roots = [psutil.Process(pid) for pid in pids]
    return sum(
        _own_cpu_s(process) for root in roots for process in (root, *root.children(recursive=True))
    )


def _own_cpu_s(process: psutil.Process) -> float:
    with suppress(psutil.NoSuchProcess):  # a server's child that has just ended: its parent has it
        times = process.cpu_times()
        return float(times.user + times.system + times.children_user + times.children_system)
    return 0.0
