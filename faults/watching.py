"""Waiting for what a case needs, and what the operating system and a service's log tell of it."""

import asyncio
import inspect
import time
from collections.abc import Awaitable, Callable
from pathlib import Path

import asyncpg
from devstack.service import Service
from maskwatch_runtime.kafka import topics

from faults import records
from faults.path import AlertPath

_POLL_S = 0.05
_KIB = 1024


async def until(
    condition: Callable[[], bool | Awaitable[bool]], *, timeout_s: float = 60.0
) -> float:
    """Poll until a condition holds, and return the seconds that it took.

    Raises:
        TimeoutError: It did not come true.
    """
    began_s = time.monotonic()
    while not await _value(condition):
        if time.monotonic() > began_s + timeout_s:
            raise TimeoutError(f"not within {timeout_s:.0f} s: {inspect.getsource(condition)}")
        await asyncio.sleep(_POLL_S)
    return time.monotonic() - began_s


async def _value(condition: Callable[[], bool | Awaitable[bool]]) -> bool:
    if inspect.iscoroutinefunction(condition):
        return bool(await condition())
    # Asking a service for its health blocks.
    value = await asyncio.to_thread(condition)
    return bool(await value) if inspect.isawaitable(value) else bool(value)


async def lag(path: AlertPath) -> int:
    """Return how many alerts ingress has not committed."""
    groups = {path.group("ingress"): topics.ALERT}
    return await records.lag(path.servers.kafka.bootstrap, groups)


async def rows(path: AlertPath, statement: str) -> list[tuple[object, ...]]:
    """Return rows from the case's database."""
    connection = await asyncpg.connect(path.dsn)
    try:
        return [tuple(row) for row in await connection.fetch(statement)]
    finally:
        await connection.close()


def peak_bytes(service: Service) -> int:
    """Return the most memory that the process has had resident since its start."""
    status = Path(f"/proc/{service.process.pid}/status").read_text(encoding="ascii")
    (line,) = [line for line in status.splitlines() if line.startswith("VmHWM:")]
    return int(line.split()[1]) * _KIB


def assignments(service: Service) -> int:
    """Return how often the group has given the service partitions, of any topic."""
    return sum('"assign"' in line for line in service.log().splitlines())
