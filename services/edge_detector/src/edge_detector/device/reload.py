"""SIGHUP: the configuration is read again, and the running one stays if the new one is wrong."""

import asyncio
import signal
from collections.abc import Callable
from enum import StrEnum
from typing import TypeVar

import structlog
from maskwatch_runtime.errors import Misconfigured

T = TypeVar("T")
_log = structlog.get_logger()


class Outcome(StrEnum):
    """What has become of a request to read the configuration again."""

    APPLIED = "applied"
    REFUSED = "refused"


def reload(read: Callable[[], T], apply: Callable[[T], None]) -> Outcome:
    """Read the configuration and apply it; what is wrong is logged, and nothing has changed.

    Args:
        read: Returns the configuration, or raises Misconfigured.
        apply: Makes it the running one. May refuse with Misconfigured too, before it changes
            anything.
    """
    try:
        apply(read())
    except Misconfigured as error:
        _log.error(
            "configuration refused, the running one stays", action="reload", reason=str(error)
        )
        return Outcome.REFUSED
    _log.info("configuration applied", action="reload")
    return Outcome.APPLIED


def _nobody(_: Outcome) -> None:
    """Nobody counts."""


async def on_hangup(
    stop: asyncio.Event,
    read: Callable[[], T],
    apply: Callable[[T], None],
    *,
    count: Callable[[Outcome], None] = _nobody,
) -> None:
    """Reload at every SIGHUP until `stop` is set; signals during a reload are one more.

    `read` and `apply` run in a thread, so that reading a slow card holds up nothing.
    """
    asked = asyncio.Event()
    loop = asyncio.get_running_loop()
    loop.add_signal_handler(signal.SIGHUP, asked.set)
    stopping = asyncio.create_task(stop.wait())
    try:
        while not stop.is_set():
            asking = asyncio.create_task(asked.wait())
            await asyncio.wait({asking, stopping}, return_when=asyncio.FIRST_COMPLETED)
            asking.cancel()
            if asked.is_set() and not stop.is_set():
                asked.clear()
                count(await asyncio.to_thread(reload, read, apply))
    finally:
        stopping.cancel()
        # Not back to the default, which would end the process while it shuts down.
        loop.remove_signal_handler(signal.SIGHUP)
        signal.signal(signal.SIGHUP, signal.SIG_IGN)
