import asyncio
import os
import socket
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest
from maskwatch_runtime import supervision
from maskwatch_runtime.health import Health
from maskwatch_runtime.testing import FakeClock
from structlog.testing import capture_logs


class Systemd:
    """The socket that systemd listens on."""

    def __init__(self, listening: socket.socket) -> None:
        self._listening = listening

    async def hears(self) -> str:
        loop = asyncio.get_running_loop()
        heard = await asyncio.wait_for(loop.sock_recv(self._listening, 4096), timeout=10)
        return heard.decode()

    def has_heard(self) -> list[str]:
        found = []
        with suppress(BlockingIOError):
            while True:
                found.append(self._listening.recv(4096).decode())
        return found


@pytest.fixture(params=["file", "abstract"])
def address(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    return str(tmp_path / "notify") if request.param == "file" else f"@maskwatch-{os.getpid()}"


@pytest.fixture
def systemd(address: str) -> Iterator[Systemd]:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as listening:
        listening.bind(address.replace("@", "\0"))
        listening.setblocking(False)
        yield Systemd(listening)


async def test_service_is_ready_fed_and_stopping(systemd: Systemd, address: str) -> None:
    stop = asyncio.Event()
    told = asyncio.create_task(
        supervision.report(
            Health(FakeClock()),
            environ={"NOTIFY_SOCKET": address, "WATCHDOG_USEC": "3000"},
            stop=stop,
        )
    )

    assert [await systemd.hears() for _ in range(3)] == ["READY=1", "WATCHDOG=1", "WATCHDOG=1"]
    stop.set()
    await told
    assert systemd.has_heard()[-1] == "STOPPING=1"


async def test_loop_without_progress_does_not_feed_the_watchdog(
    systemd: Systemd, address: str
) -> None:
    clock, stop = FakeClock(), asyncio.Event()
    health = Health(clock)
    health.track("frames").waits()
    clock.advance(61)
    told = asyncio.create_task(
        supervision.report(
            health, environ={"NOTIFY_SOCKET": address, "WATCHDOG_USEC": "3000"}, stop=stop
        )
    )

    assert [await systemd.hears() for _ in range(2)] == ["READY=1", "STATUS=stalled: frames"]
    stop.set()
    await told
    assert "WATCHDOG=1" not in systemd.has_heard()


@pytest.mark.parametrize(
    "watchdog",
    [{}, {"WATCHDOG_USEC": "soon"}, {"WATCHDOG_USEC": "3000", "WATCHDOG_PID": "1"}],
)
async def test_nobody_is_fed_who_does_not_wait(
    systemd: Systemd, address: str, watchdog: dict[str, str]
) -> None:
    stop = asyncio.Event()
    stop.set()

    await supervision.report(
        Health(FakeClock()), environ={"NOTIFY_SOCKET": address, **watchdog}, stop=stop
    )

    assert systemd.has_heard() == ["READY=1", "STOPPING=1"]


async def test_without_systemd_nothing_is_told() -> None:
    await supervision.report(Health(FakeClock()), environ={}, stop=asyncio.Event())


async def test_socket_that_is_gone_ends_nothing(tmp_path: Path) -> None:
    stop = asyncio.Event()
    stop.set()
    with capture_logs() as lines:
        await supervision.report(
            Health(FakeClock()), environ={"NOTIFY_SOCKET": str(tmp_path / "gone")}, stop=stop
        )

    assert [line["text"] for line in lines] == ["READY=1", "STOPPING=1"]
