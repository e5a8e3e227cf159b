import asyncio
import os
import socket
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
from maskwatch_runtime import admin, probe
from maskwatch_runtime.health import Health
from maskwatch_runtime.testing import FakeClock
from prometheus_client import CollectorRegistry


@asynccontextmanager
async def _serving(health: Health) -> AsyncIterator[dict[str, str]]:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    stop = asyncio.Event()
    application = admin.application(health, CollectorRegistry())
    serving = asyncio.create_task(admin.serve(application, host="0.0.0.0", port=port, stop=stop))
    environment = {"MASKWATCH_ADMIN_HOST": "0.0.0.0", "MASKWATCH_ADMIN_PORT": str(port)}
    async with asyncio.timeout(5):
        while (await asyncio.to_thread(probe.ask, environment))[1].startswith("no answer"):
            await asyncio.sleep(0.01)
    yield environment
    stop.set()
    await serving


async def _exit_code(environment: dict[str, str]) -> int:
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "maskwatch_runtime.probe", env=os.environ | environment
    )
    return await process.wait()


async def test_a_live_service_that_waits_for_its_broker_passes() -> None:
    health = Health(FakeClock())
    health.missing("kafka", "not connected yet")

    async with _serving(health) as environment:
        assert await _exit_code(environment) == 0


async def test_a_stalled_service_fails_and_names_the_loop() -> None:
    clock = FakeClock()
    health = Health(clock)
    health.track("relay").waits()
    clock.advance(61)

    async with _serving(health) as environment:
        is_live, said = await asyncio.to_thread(probe.ask, environment)
        assert await _exit_code(environment) == 1

    assert not is_live
    assert "relay" in said


@pytest.mark.parametrize("port", ["", "0", "http"])
def test_a_port_that_cannot_be_asked_is_named(port: str) -> None:
    is_live, said = probe.ask({"MASKWATCH_ADMIN_PORT": port})

    assert not is_live
    assert said.startswith("MASKWATCH_ADMIN_PORT")


def test_a_service_that_does_not_answer_fails() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]

    is_live, said = probe.ask(
        {"MASKWATCH_ADMIN_HOST": "127.0.0.1", "MASKWATCH_ADMIN_PORT": str(port)}
    )

    assert not is_live
    assert said.startswith(f"no answer on port {port}")
