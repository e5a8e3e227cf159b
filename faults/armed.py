"""``python -m faults.armed --point P --report F SERVICE run``: its signal comes exactly at P.

The service's own __main__ runs, with one function wrapped. The report file says that the point was
reached; without it the signal never came.
"""

import argparse
import asyncio
import inspect
import itertools
import os
import runpy
import signal
import sys
from collections.abc import Callable
from functools import wraps
from pathlib import Path
from typing import Any

from faults import points
from faults.points import Point

_SIGNALS = {name: signal.Signals[f"SIG{name}"] for name in ("KILL", "STOP", "TERM")}
_HANG = "HANG"  # no signal: the call never comes back, and everything around it lives on


class Trigger:
    """Sends the signal to this very process at the n-th time it is asked.

    Args:
        nth: From 1.
        number: What is sent; None sends nothing.
        report: Written first, and on the disk before the signal.
    """

    def __init__(self, nth: int, number: signal.Signals | None, report: Path) -> None:
        self._calls = itertools.count(1)
        self._nth = nth
        self._number = number
        self._report = report

    def pull(self) -> bool:
        """Send the signal when it is time, and return whether it was; what hangs does from then on.

        A service has several consumers: each of them, not the one that came n-th.
        """
        call = next(self._calls)
        if call != self._nth:
            return self._number is None and call > self._nth
        with self._report.open("w", encoding="ascii") as file:
            file.write(f"{self._number.name if self._number else _HANG}\n")
            file.flush()
            os.fsync(file.fileno())
        if self._number:
            os.kill(os.getpid(), self._number)
        return True


def hanging(function: Callable[..., Any], pull: Callable[[], bool]) -> Any:
    """Return the coroutine function, whose call never comes back once the trigger is pulled."""

    @wraps(function)
    async def call(*args: Any, **options: Any) -> Any:
        if pull():
            await asyncio.Event().wait()
        return await function(*args, **options)

    return call


def wrapped(function: Callable[..., Any], point: Point, pull: Callable[[], object]) -> Any:
    """Return the function with the trigger before or behind it."""

    def after(result: Any) -> Any:
        if point.side == "after" and (result or not point.is_fruitful):
            pull()
        return result

    def before() -> None:
        if point.side == "before":
            pull()

    @wraps(function)
    def call(*args: Any, **options: Any) -> Any:
        before()
        return after(function(*args, **options))

    @wraps(function)
    async def call_async(*args: Any, **options: Any) -> Any:
        before()
        return after(await function(*args, **options))

    return call_async if inspect.iscoroutinefunction(function) else call


def main() -> None:
    """Wrap the point's function and become the service."""
    parser = argparse.ArgumentParser(prog="faults.armed", description=__doc__)
    parser.add_argument("--point", choices=sorted(points.POINTS), required=True)
    parser.add_argument("--report", type=Path, required=True)
    parser.add_argument("--nth", type=int, default=1)
    parser.add_argument("--signal", choices=sorted([*_SIGNALS, _HANG]), default="KILL")
    parser.add_argument("service")
    parser.add_argument("arguments", nargs=argparse.REMAINDER)
    given = parser.parse_args()
    point = points.POINTS[given.point]
    owner, name, function = points.locate(point)
    trigger = Trigger(given.nth, _SIGNALS.get(given.signal), given.report)
    if given.signal == _HANG:
        setattr(owner, name, hanging(function, trigger.pull))
    else:
        setattr(owner, name, wrapped(function, point, trigger.pull))
    sys.argv = [given.service, *given.arguments]
    runpy.run_module(given.service, run_name="__main__", alter_sys=True)


if __name__ == "__main__":
    main()
