import asyncio
import os
import signal
import threading

import pytest
from edge_detector.device import reload as reloads
from edge_detector.device.reload import Outcome
from maskwatch_runtime.errors import Misconfigured
from structlog.testing import capture_logs


class Running:
    """A configuration in use, and what a file would say."""

    def __init__(self) -> None:
        self.file = "first"
        self.used = "first"
        self.reads = 0

    def read(self) -> str:
        self.reads += 1
        if not self.file:
            raise Misconfigured("cameras.yml:3: name: is missing")
        return self.file

    def apply(self, configuration: str) -> None:
        self.used = configuration


@pytest.fixture
def running() -> Running:
    return Running()


def test_valid_configuration_is_applied(running: Running) -> None:
    running.file = "second"

    assert reloads.reload(running.read, running.apply) is Outcome.APPLIED
    assert running.used == "second"


def test_wrong_configuration_is_told_and_the_running_one_stays(running: Running) -> None:
    running.file = ""
    with capture_logs() as lines:
        assert reloads.reload(running.read, running.apply) is Outcome.REFUSED

    assert running.used == "first"
    assert [(line["action"], line["reason"]) for line in lines] == [
        ("reload", "cameras.yml:3: name: is missing")
    ]


def test_configuration_that_cannot_be_applied_is_refused(running: Running) -> None:
    def refuse(_: str) -> None:
        raise Misconfigured("camera door: source cannot be opened")

    assert reloads.reload(running.read, refuse) is Outcome.REFUSED


async def _until(has_come: asyncio.Event) -> None:
    await asyncio.wait_for(has_come.wait(), timeout=10)
    has_come.clear()


async def test_sighup_reads_again_and_stop_ends(running: Running) -> None:
    stop, counted = asyncio.Event(), asyncio.Event()
    outcomes: list[Outcome] = []

    def count(outcome: Outcome) -> None:
        outcomes.append(outcome)
        counted.set()

    task = asyncio.create_task(reloads.on_hangup(stop, running.read, running.apply, count=count))
    await asyncio.sleep(0)  # lets it begin to listen

    running.file = "second"
    os.kill(os.getpid(), signal.SIGHUP)
    await _until(counted)
    running.file = ""
    os.kill(os.getpid(), signal.SIGHUP)
    await _until(counted)
    stop.set()
    await asyncio.wait_for(task, timeout=10)

    assert outcomes == [Outcome.APPLIED, Outcome.REFUSED]
    assert running.used == "second"
    os.kill(os.getpid(), signal.SIGHUP)  # while the service shuts down: nothing happens
    signal.signal(signal.SIGHUP, signal.SIG_DFL)


async def test_signals_during_a_reload_are_one_more(running: Running) -> None:
    stop, counted, reading = asyncio.Event(), asyncio.Event(), threading.Event()
    may_go_on = threading.Event()

    def read_slowly() -> str:
        reading.set()
        may_go_on.wait(10)
        return running.read()

    task = asyncio.create_task(
        reloads.on_hangup(stop, read_slowly, running.apply, count=lambda _: counted.set())
    )
    await asyncio.sleep(0)
    os.kill(os.getpid(), signal.SIGHUP)
    await asyncio.to_thread(reading.wait, 10)
    for _ in range(3):
        os.kill(os.getpid(), signal.SIGHUP)
        await asyncio.sleep(0)
    may_go_on.set()
    await _until(counted)
    await _until(counted)
    stop.set()
    await asyncio.wait_for(task, timeout=10)

    assert running.reads == 2
    signal.signal(signal.SIGHUP, signal.SIG_DFL)
