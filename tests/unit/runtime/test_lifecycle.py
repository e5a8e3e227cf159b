import asyncio
import gc
import os
import signal
import weakref

import pytest
from maskwatch_runtime import lifecycle
from maskwatch_runtime.errors import Misconfigured


def test_service_that_stops_as_asked_exits_with_0() -> None:
    async def service(stop: asyncio.Event) -> None:
        os.kill(os.getpid(), signal.SIGTERM)
        await stop.wait()

    assert lifecycle.run(service, shutdown_s=5) == 0


def test_bug_exits_with_70() -> None:
    async def service(_: asyncio.Event) -> None:
        raise KeyError("a bug")

    assert lifecycle.run(service, shutdown_s=5) == 70


def test_misconfiguration_exits_with_78() -> None:
    async def service(_: asyncio.Event) -> None:
        raise Misconfigured("MASKWATCH_X: is missing")

    assert lifecycle.run(service, shutdown_s=5) == 78


async def test_supervise_ends_when_all_have_returned_after_stop() -> None:
    stop = asyncio.Event()
    ended: list[str] = []

    async def task(name: str) -> None:
        await stop.wait()
        ended.append(name)

    asyncio.get_running_loop().call_soon(stop.set)
    await lifecycle.supervise(stop, task("a"), task("b"))

    assert sorted(ended) == ["a", "b"]


async def test_failed_task_stops_the_others_in_order_and_is_reported() -> None:
    stop = asyncio.Event()
    ended: list[str] = []

    async def good() -> None:
        await stop.wait()
        ended.append("good")

    async def bad() -> None:
        raise KeyError("a bug")

    with pytest.raises(KeyError):
        await lifecycle.supervise(stop, good(), bad())
    assert ended == ["good"]


async def test_task_that_ends_silently_is_a_failure() -> None:
    stop = asyncio.Event()

    async def quitter() -> None:
        return

    with pytest.raises(RuntimeError, match="not asked to stop"):
        await lifecycle.supervise(stop, quitter(), _until(stop))


async def _until(stop: asyncio.Event) -> None:
    await stop.wait()


def test_cycles_are_collected_more_rarely_but_still_are() -> None:
    thresholds = gc.get_threshold()
    try:
        lifecycle.collect_garbage_rarely()
        assert gc.get_threshold()[0] > thresholds[0]
        assert gc.get_freeze_count() > 0
        assert gc.isenabled()  # cycles are still found
    finally:
        gc.unfreeze()
        gc.set_threshold(*thresholds)


class _Client:
    """Holds itself, as a connection and its callbacks do."""

    def __init__(self) -> None:
        self.owner = self


def test_cycles_of_a_service_that_has_little_to_do_are_freed(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(lifecycle, "_COLLECT_S", 0.01)
    gone = asyncio.Event()

    async def service(_: asyncio.Event) -> None:
        gc.disable()  # nothing else frees it
        try:
            weakref.finalize(_Client(), gone.set)
            await asyncio.wait_for(gone.wait(), timeout=30)
        finally:
            gc.enable()

    assert lifecycle.run(service, shutdown_s=5) == 0
