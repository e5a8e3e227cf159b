import asyncio
import socket
from contextlib import closing

import httpx
import pytest
from maskwatch_runtime import admin
from maskwatch_runtime.errors import Misconfigured
from maskwatch_runtime.health import Health
from maskwatch_runtime.testing import FakeClock
from prometheus_client import CollectorRegistry, Counter


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
def health(clock: FakeClock) -> Health:
    return Health(clock)


async def _get(health: Health, path: str, registry: CollectorRegistry) -> httpx.Response:
    transport = httpx.ASGITransport(admin.application(health, registry))
    async with httpx.AsyncClient(transport=transport, base_url="http://service") as client:
        return await client.get(path)


async def test_ready_names_what_is_missing(health: Health) -> None:
    assert (await _get(health, "/health/ready", CollectorRegistry())).status_code == 200

    health.missing("postgres", "starting up")
    response = await _get(health, "/health/ready", CollectorRegistry())

    assert response.status_code == 503
    assert response.json() == {"ready": False, "missing": {"postgres": "starting up"}}
    assert (await _get(health, "/health/live", CollectorRegistry())).status_code == 200


async def test_live_names_the_stalled_loop(health: Health, clock: FakeClock) -> None:
    health.track("consumer", stalled_after_s=60).waits()
    clock.advance(61)

    response = await _get(health, "/health/live", CollectorRegistry())

    assert response.status_code == 503
    assert response.json() == {"live": False, "stalled": ["consumer"]}


async def test_metrics_are_in_prometheus_text_form(health: Health) -> None:
    registry = CollectorRegistry()
    Counter("alerts", "Alerts", registry=registry).inc(3)

    response = await _get(health, "/metrics", registry)

    assert "alerts_total 3.0" in response.text
    assert response.headers["content-type"].startswith("text/plain")


async def test_taken_port_is_a_misconfiguration(health: Health) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(Misconfigured, match=str(port)):
            await admin.serve(
                admin.application(health, CollectorRegistry()),
                host="127.0.0.1",
                port=port,
                stop=asyncio.Event(),
            )


def test_answers_are_not_held_back_until_their_head_is_acknowledged() -> None:
    with (
        closing(admin.listen("127.0.0.1", 0)) as listener,
        closing(socket.create_connection(listener.getsockname())),
        closing(listener.accept()[0]) as accepted,
    ):
        assert accepted.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)
