"""Onward to a cloud that is real enough to go away: an HTTP server and mosquitto."""

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import aiomqtt
import httpx
import pytest
from aiohttp import web
from edge_detector import tls

from benchmarks.edge.gateway_service import GatewayService
from benchmarks.edge.mosquitto import Authority, Mosquitto
from devstack import ports

Gateways = Callable[..., GatewayService]
_TOKEN = "0123456789abcdef0123"


class Cloud:
    """An HTTP API: `statuses` are answered in turn, then 204; `got` keeps what was taken."""

    def __init__(self, port: int) -> None:
        self.url = f"http://127.0.0.1:{port}/events"
        self.statuses: list[int] = []
        self.got: list[dict[str, Any]] = []
        self.headers: list[dict[str, str]] = []
        self.requests = 0
        self._port = port
        self._runner: web.AppRunner | None = None

    async def _take(self, request: web.Request) -> web.Response:
        self.requests += 1
        told = json.loads(await request.read())
        if self.statuses:
            return web.Response(status=self.statuses.pop(0), text="not now")
        self.got.append(told)
        self.headers.append(dict(request.headers))
        return web.Response(status=204)

    async def start(self) -> None:
        app = web.Application()
        app.router.add_post("/events", self._take)
        self._runner = web.AppRunner(app, shutdown_timeout=1)
        await self._runner.setup()
        await web.TCPSite(self._runner, "127.0.0.1", self._port).start()

    async def stop(self) -> None:
        if self._runner is not None:
            await self._runner.cleanup()
            self._runner = None


@pytest.fixture
async def cloud() -> AsyncIterator[Cloud]:
    (port,) = ports.free(1)
    made = Cloud(port)
    await made.start()
    yield made
    await made.stop()


async def _post(service: GatewayService, *numbers: int) -> None:
    """Let a person without a mask come, and go, for each number."""
    async with httpx.AsyncClient(headers={"token": _TOKEN}, timeout=30) as client:
        for number in numbers:
            for step, label in enumerate(("no_mask", "no_face")):
                message = {"device": "b1", "id": f"{number}-{step}", "results": {label: 0.9}}
                answer = await client.post(
                    f"http://127.0.0.1:{service.port}/v1/results", json=message
                )
                assert answer.json()["stored"]


def _alerts(cloud: Cloud) -> list[str]:
    return [told["event_id"] for told in cloud.got if told["type"] == "alert"]


async def test_every_event_reaches_an_api_in_order_whatever_it_answers_in_between(
    gateway: Gateways, cloud: Cloud, tmp_path: Path, until: Any
) -> None:
    cloud.statuses = [503, 429, 401]
    service = gateway(
        gateway_token=_TOKEN,
        gateway_results_per_s=1000,
        forward_url=cloud.url,
        forward_token="cloud-token",
        forward_queue_path=tmp_path / "forward.db",
    )
    service.start()
    await _post(service, 1, 2)
    await until(lambda: len(cloud.got) == 4)
    await cloud.stop()
    await _post(service, 3, 4)
    await until(lambda: service.metric("gateway_forward_waiting") == 4)
    service.process.kill()
    await cloud.start()
    service.start()
    await until(lambda: len(cloud.got) == 8)

    assert _alerts(cloud) == [event_id for event_id, _ in service.alerts()]
    assert [told["type"] for told in cloud.got] == ["alert", "episode_ended"] * 4
    assert cloud.headers[0]["Authorization"] == "Bearer cloud-token"
    assert cloud.headers[0]["Idempotency-Key"] == cloud.got[0]["event_id"]
    assert await asyncio.to_thread(service.process.stop) == 0
    assert "cloud-token" not in str(service.lines())


async def test_event_that_an_api_refuses_makes_way_and_is_counted(
    gateway: Gateways, cloud: Cloud, tmp_path: Path, until: Any
) -> None:
    cloud.statuses = [422]
    service = gateway(
        gateway_token=_TOKEN, forward_url=cloud.url, forward_queue_path=tmp_path / "forward.db"
    )
    service.start()
    await _post(service, 1)
    await until(lambda: len(cloud.got) == 1)

    assert cloud.got[0]["type"] == "episode_ended"
    assert service.metric("gateway_forward_dropped_total", reason="refused") == 1
    assert await asyncio.to_thread(service.process.stop) == 0


async def test_every_event_reaches_a_broker_with_client_certificates_after_an_outage(
    gateway: Gateways,
    broker: Mosquitto,
    authority: Authority,
    tmp_path: Path,
    until: Any,
) -> None:
    pair, reader = authority.issue("thing"), authority.issue("reader")
    service = gateway(
        gateway_token=_TOKEN,
        forward_mqtt_host="127.0.0.1",
        forward_mqtt_port=broker.port,
        forward_mqtt_topic="mw/{device}/{type}",
        forward_ca_file=authority.cert,
        forward_cert_file=pair.cert,
        forward_key_file=pair.key,
        forward_queue_path=tmp_path / "forward.db",
    )
    context = tls.client(tls.Files(authority.cert, reader.cert, reader.key), setting="TEST")
    async with aiomqtt.Client(
        "127.0.0.1", broker.port, identifier="reader", clean_session=False, tls_context=context
    ) as client:
        await client.subscribe("mw/#", qos=1)
    service.start()
    await _post(service, 1)
    await until(lambda: service.metric("gateway_forwarded_total") == 2)
    await asyncio.to_thread(broker.stop)
    await _post(service, 2)
    await until(lambda: service.metric("gateway_forward_failures_total") >= 1)
    await asyncio.to_thread(broker.start)

    got = []
    async with aiomqtt.Client(
        "127.0.0.1", broker.port, identifier="reader", clean_session=False, tls_context=context
    ) as client:
        async with asyncio.timeout(60):
            async for message in client.messages:
                got.append((str(message.topic), json.loads(bytes(message.payload))["event_id"]))
                if len(got) == 4:
                    break

    assert [topic for topic, _ in got] == ["mw/gw_b1/alert", "mw/gw_b1/episode_ended"] * 2
    assert [got[0][1], got[2][1]] == [event_id for event_id, _ in service.alerts()]
    assert await asyncio.to_thread(service.process.stop) == 0


def test_queue_that_cannot_be_opened_stops_the_gateway_and_is_named(
    gateway: Gateways, tmp_path: Path
) -> None:
    service = gateway(
        gateway_token=_TOKEN,
        forward_url="http://127.0.0.1:1/",
        forward_queue_path=tmp_path / "nowhere" / "forward.db",
    )
    service.begin()

    assert service.process.wait(60) == 78
    assert any("FORWARD_QUEUE_PATH" in line.get("reason", "") for line in service.lines())
