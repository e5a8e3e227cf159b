"""Work that the end of the service may cut short."""

import asyncio
from collections.abc import Coroutine
from typing import Any, TypeVar

T = TypeVar("T")


class CutShortError(Exception):
    """The service ends, and the work was cancelled."""


async def unless_stopped(work: Coroutine[Any, Any, T], *, stop: asyncio.Event) -> T:
    """Return the work's result.

    Raises:
        CutShortError: `stop` was set first; the work has been cancelled.
    """
    working = asyncio.ensure_future(work)
    stopping = asyncio.ensure_future(stop.wait())
    try:
        await asyncio.wait({working, stopping}, return_when=asyncio.FIRST_COMPLETED)
        if not working.done():
            raise CutShortError
        return working.result()
    finally:
        stopping.cancel()
        working.cancel()
        await asyncio.gather(working, stopping, return_exceptions=True)
