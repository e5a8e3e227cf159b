"""The gateway as a process, beside Debian's mosquitto."""

import asyncio
import json
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path
from typing import Any

import aiomqtt
import pytest
from edge_detector import tls

from benchmarks.edge import mosquitto
from benchmarks.edge.gateway_service import GatewayService
from benchmarks.edge.mosquitto import Authority, Mosquitto

TOKEN = "0123456789abcdef0123"
_CONFIG = """
defaults: {votes_agreeing: 1, votes_among: 1, absence_s: 0}
boards:
  - {id: b1, name: Porch}
  - {id: b2}
"""

Until = Callable[[Callable[[], Any]], Awaitable[None]]


@pytest.fixture
def authority(tmp_path: Path) -> Authority:
    return Authority(tmp_path / "certificates")


@pytest.fixture
def broker(tmp_path: Path, authority: Authority) -> Iterator[Mosquitto]:
    if mosquitto.program() is None:
        pytest.skip("mosquitto is not installed: apt-get install mosquitto")
    started = Mosquitto(tmp_path / "mosquitto", authority)
    started.start()
    yield started
    started.kill()


@pytest.fixture
def gateway(tmp_path: Path) -> Iterator[Callable[..., GatewayService]]:
    """Make a gateway that knows the boards b1 and b2; one result without a mask is an alert."""
    made: list[GatewayService] = []
    (tmp_path / "gateway.yml").write_text(_CONFIG)

    def make(**settings: object) -> GatewayService:
        told = {"gateway_file": tmp_path / "gateway.yml", **settings}
        made.append(GatewayService(tmp_path, told))
        return made[-1]

    yield make
    for one in made:
        if hasattr(one, "process"):
            one.process.kill()


@pytest.fixture
def by_mqtt(broker: Mosquitto, authority: Authority) -> dict[str, object]:
    """The settings of a gateway that listens to the broker."""
    pair = authority.issue("gateway")
    return {
        "gateway_mqtt_host": "127.0.0.1",
        "gateway_mqtt_port": broker.port,
        "gateway_mqtt_ca_file": authority.cert,
        "gateway_mqtt_cert_file": pair.cert,
        "gateway_mqtt_key_file": pair.key,
    }


class Board:
    """A board that publishes with QoS 1."""

    def __init__(self, broker: Mosquitto, authority: Authority) -> None:
        pair = authority.issue("board")
        files = tls.Files(authority.cert, pair.cert, pair.key)
        self._context = tls.client(files, setting="TEST")
        self._broker = broker

    async def publish(
        self, *payloads: object, topic: str = "maskwatch/b1/result", retain: bool = False
    ) -> None:
        async with aiomqtt.Client(
            "127.0.0.1", self._broker.port, tls_context=self._context
        ) as client:
            for payload in payloads:
                told = payload if isinstance(payload, bytes) else json.dumps(payload).encode()
                await client.publish(topic, told, qos=1, retain=retain)


@pytest.fixture
def board(broker: Mosquitto, authority: Authority) -> Board:
    return Board(broker, authority)


@pytest.fixture
def until() -> Until:
    """Wait for a condition."""

    async def wait(condition: Callable[[], Any]) -> None:
        async with asyncio.timeout(60):
            while not await asyncio.to_thread(condition):
                await asyncio.sleep(0.05)

    return wait
