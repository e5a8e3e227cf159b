"""What a process takes."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

import psutil


@dataclass
class Peak:
    """Largest resident set seen, in MB (10^6 bytes)."""

    rss_mb: float = 0.0


@asynccontextmanager
async def watched(pid: int) -> AsyncIterator[Peak]:
    """Sample a process every 50 ms for as long as the block runs."""
    peak = Peak()
    process = psutil.Process(pid)

    async def sample() -> None:
        while True:
            peak.rss_mb = max(peak.rss_mb, process.memory_info().rss / 1e6)
            await asyncio.sleep(0.05)

    sampling = asyncio.create_task(sample())
    try:
        yield peak
    finally:
        sampling.cancel()
        await asyncio.wait({sampling})
