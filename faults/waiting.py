"""Waiting for what a fault brings about: by asking, with a deadline."""

import asyncio
import time
from collections.abc import Callable

_POLL_S = 0.05


async def until(condition: Callable[[], object], *, timeout_s: float = 60.0) -> float:
    """Wait until the condition holds, and return how long that took, in seconds.

    Raises:
        TimeoutError: It did not come to hold.
    """
    began_s = time.monotonic()
    while not await asyncio.to_thread(condition):
        if time.monotonic() - began_s > timeout_s:
            raise TimeoutError(f"after {timeout_s:.0f} s it still was not so")
        await asyncio.sleep(_POLL_S)
    return time.monotonic() - began_s
