"""From start to exit code: two-signal shutdown, a grace period, and side tasks that may not die.

Exit codes: 0 stopped as asked, 70 a bug or a broken promise (EX_SOFTWARE), 75 not stopped within
the grace period (EX_TEMPFAIL), 78 misconfigured (EX_CONFIG).
"""

import asyncio
import ctypes
import gc
import os
import signal
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any

import structlog

from maskwatch_runtime.errors import Misconfigured

EX_SOFTWARE, EX_TEMPFAIL, EX_CONFIG = 70, 75, 78
_log = structlog.get_logger()
_COLLECT_S = 60.0


def run(service: Callable[[asyncio.Event], Awaitable[None]], *, shutdown_s: float) -> int:
    """Run the service until SIGTERM or SIGINT and return the exit code.

    Args:
        service: Gets the event that is set when it has to stop, and returns once it has.
        shutdown_s: Seconds from the signal to the forced end; a second signal forces it at once.
    """
    try:
        return asyncio.run(_run(service, shutdown_s))
    except Misconfigured as error:
        return misconfigured(error)
    except Exception:  # noqa: BLE001 - the one place where a bug becomes an exit code
        _log.exception("the service failed", action="exit")
        return EX_SOFTWARE


def collect_garbage_rarely() -> None:
    """Spare a service that makes thousands of objects a second most of the cyclic collector's work.

    They are freed by their reference counts; looking for cycles among them takes 8 of the 40
    microseconds of CPU that ingress needs for an alert without a picture (three runs each way,
    docs/performance.md). What was imported is never looked at again. `run` looks through the rest
    once a minute.
    """
    gc.freeze()
    gc.set_threshold(20_000, 20, 50)


def misconfigured(error: Misconfigured) -> int:
    """Say what is wrong in the set-up and return the exit code for it."""
    _log.error("misconfigured", action="exit", reason=str(error))
    return EX_CONFIG


async def _run(service: Callable[[asyncio.Event], Awaitable[None]], shutdown_s: float) -> int:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, _on_signal, stop, number)
    running = asyncio.ensure_future(service(stop))
    stopping = asyncio.create_task(stop.wait())
    collecting = asyncio.create_task(_collect_garbage())
    await asyncio.wait({running, stopping}, return_when=asyncio.FIRST_COMPLETED)
    stopping.cancel()
    collecting.cancel()
    _, unfinished = await asyncio.wait({running}, timeout=shutdown_s)
    if unfinished:
        _log.error("not stopped in time", action="exit", shutdown_s=shutdown_s)
        # A task that ignores its cancellation would hold asyncio.run for ever.
        os._exit(EX_TEMPFAIL)
    running.result()
    _log.info("stopped", action="exit")
    return 0


async def _collect_garbage() -> None:
    """Free what a lost connection leaves: a client with its buffers, held by a cycle. A service
    that has little to do would come to its thresholds after hours.
    """  # noqa: D205 - one sentence
    while True:
        await asyncio.sleep(_COLLECT_S)
        gc.collect()
        _give_back()


def _give_back() -> None:
    """Return what a backlog has taken to the system; glibc keeps it otherwise."""
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None)  # other C libraries have none
    if trim is not None:
        trim(0)


def _on_signal(stop: asyncio.Event, number: signal.Signals) -> None:
    if stop.is_set():
        os._exit(128 + number)
    _log.info("stopping", action="stop", signal=number.name)
    stop.set()


async def supervise(stop: asyncio.Event, *tasks: Coroutine[Any, Any, None]) -> None:
    """Run the tasks together until all have returned; the first to fail stops the others.

    A task that returns before `stop` is set has died silently: that stops the service as well.
    """
    running = [asyncio.create_task(task) for task in tasks]
    done, _ = await asyncio.wait(running, return_when=asyncio.FIRST_COMPLETED)
    died = not stop.is_set() and all(task.exception() is None for task in done)
    stop.set()
    results = await asyncio.gather(*running, return_exceptions=True)
    for result in results:
        if isinstance(result, BaseException):
            raise result
    if died:
        raise RuntimeError("a task ended although the service was not asked to stop")
