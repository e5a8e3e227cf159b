"""What systemd is told: that the service has started, and that it still gets something done.

Protocol: sd_notify(3), datagrams of KEY=value lines to the socket that NOTIFY_SOCKET names.
"""

import asyncio
import os
import socket
from collections.abc import Mapping

import structlog

from maskwatch_runtime.health import Health
from maskwatch_runtime.retry import sleep_unless_stopped

_log = structlog.get_logger()
_MICROSECONDS = 1_000_000


async def report(health: Health, *, environ: Mapping[str, str], stop: asyncio.Event) -> None:
    """Tell systemd how the service does until `stop` is set; returns at once where there is none.

    With WatchdogSec= the service is restarted when it is no longer live, or its event loop hangs.

    Args:
        health: A loop without progress keeps the watchdog from being fed.
        environ: NOTIFY_SOCKET, WATCHDOG_USEC and WATCHDOG_PID are read.
        stop: Set when the service shuts down.
    """
    address = environ.get("NOTIFY_SOCKET", "")
    if not address:
        return
    _tell(address, "READY=1")
    every_s = _feeding_s(environ)
    while every_s and not await sleep_unless_stopped(every_s, stop=stop):
        stalled = health.not_live()
        _tell(address, f"STATUS=stalled: {', '.join(stalled)}" if stalled else "WATCHDOG=1")
    await stop.wait()
    _tell(address, "STOPPING=1")


def _feeding_s(environ: Mapping[str, str]) -> float:
    """Return the seconds between two signs of life; 0 when nobody waits for them."""
    deadline_us, pid = environ.get("WATCHDOG_USEC", ""), environ.get("WATCHDOG_PID", "")
    is_mine = pid in ("", str(os.getpid()))
    # Three chances before the deadline: one may come late.
    return int(deadline_us) / _MICROSECONDS / 3 if deadline_us.isdecimal() and is_mine else 0.0


def _tell(address: str, text: str) -> None:
    # A name that begins with @ is an abstract one: no file, and a NUL in its place.
    name = f"\0{address[1:]}" if address.startswith("@") else address
    try:
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as sending:
            sending.setblocking(False)
            sending.connect(name)
            sending.send(text.encode())
    except OSError as error:
        _log.warning("systemd was not told", action="supervise", text=text, reason=str(error))
