"""Boards by HTTP over real sockets, and a live view that speaks as the vendor's does."""

import asyncio
import os
import socket
import ssl
import subprocess
import sys
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import httpx
import pytest
import socketio
import uvicorn
from maskwatch_runtime.admin import Server

from benchmarks.edge.gateway_service import GatewayService
from benchmarks.edge.mosquitto import Authority
from devstack import ports

Gateways = Callable[..., GatewayService]
_TOKEN = "0123456789abcdef0123"
_MESSAGE = {"device": "b1", "results": {"no_mask": 0.9}}
_JPEG = (
    "data:image/jpeg;base64,/9j/4AAQSkZJRgABAQAAAQABAAD/wAALCAABAAEBAREA/9k="  # 1 x 1 px, no scan
)


class LiveView:
    """Greets, and shows results, with the events of `edge-impulse-run-impulse`."""

    def __init__(self, port: int) -> None:
        self.sockets = socketio.AsyncServer(async_mode="asgi", cors_allowed_origins="*")
        self.connections = 0
        self.sockets.on("connect", self._greet)
        self._port = port
        self._server: Server | None = None
        self._serving: asyncio.Task[None] | None = None

    async def _greet(self, sid: str, _: object, __: object = None) -> None:
        self.connections += 1
        await self.sockets.emit(
            "hello", {"projectName": "a / masks", "thresholds": [], "sensorType": "camera"}, to=sid
        )

    async def start(self) -> None:
        app = socketio.ASGIApp(self.sockets)
        config = uvicorn.Config(app, log_config=None, lifespan="off", timeout_graceful_shutdown=1)
        listener = socket.create_server(("127.0.0.1", self._port))
        self._server = Server(config)
        self._serving = asyncio.create_task(self._server.serve(sockets=[listener]))

    async def stop(self) -> None:
        if self._server is not None and self._serving is not None:
            self._server.force_exit = self._server.should_exit = True
            await self._serving
            self._server = self._serving = None

    async def show(self, no_mask: float) -> None:
        await self.sockets.emit("image", {"img": _JPEG})
        await self.sockets.emit(
            "classification",
            {
                "modelType": "classification",
                "result": {"classification": {"no_mask": no_mask, "mask": 1 - no_mask}},
                "timeMs": 12,
                "additionalInfo": "",
            },
        )


@pytest.fixture
async def live_view() -> AsyncIterator[LiveView]:
    (port,) = ports.free(1)
    view = LiveView(port)
    view.url = f"http://127.0.0.1:{port}"  # type: ignore[attr-defined]
    yield view
    await view.stop()


async def test_live_view_needs_no_change_to_become_alerts_with_pictures(
    gateway: Gateways, live_view: Any, tmp_path: Path, until: Any
) -> None:
    config = (tmp_path / "gateway.yml").read_text()
    config += f'live_views: [{{url: "{live_view.url}", board: b1}}]\n'
    (tmp_path / "gateway.yml").write_text(config)
    service = gateway()
    service.begin()
    await until(service.is_live)
    await until(lambda: service.metric("gateway_reconnects_total", channel="live_view") >= 1)
    assert not service.is_ready()

    await live_view.start()
    await until(service.is_ready)
    await live_view.show(0.9)
    await until(service.alerts)
    await live_view.stop()
    await until(lambda: not service.is_ready())
    await live_view.start()
    await until(lambda: live_view.connections >= 2)
    await live_view.show(0.1)
    await until(lambda: service.metric("gateway_results_total", outcome="accepted") == 2)

    assert [device for _, device in service.alerts()] == ["gw/b1"]
    assert service.pictures() == ["jpg"]
    assert await asyncio.to_thread(service.process.stop) == 0


async def test_boards_post_by_tls_in_both_styles(gateway: Gateways, authority: Authority) -> None:
    server = authority.issue("gateway-server", is_server=True)
    service = gateway(
        gateway_token=_TOKEN, gateway_cert_file=server.cert, gateway_key_file=server.key
    )
    service.start()
    trusting = ssl.create_default_context(cafile=authority.cert)
    headers = {"token": _TOKEN, "device": "b2", "topic": "result"}
    async with httpx.AsyncClient(
        base_url=f"https://127.0.0.1:{service.port}", verify=trusting, timeout=30
    ) as client:
        answers = [
            await client.post(
                "/v1/results", json=_MESSAGE, headers={"Authorization": f"Bearer {_TOKEN}"}
            ),
            await client.get(
                "/", headers={**headers, "data": '[{"label": "no mask", "value": "0.97"}]'}
            ),
            await client.post("/v1/results", json=_MESSAGE),
        ]

    assert [answer.status_code for answer in answers] == [200, 200, 401]
    assert [device for _, device in service.alerts()] == ["gw/b1", "gw/b2"]
    assert await asyncio.to_thread(service.process.stop) == 0
    assert _TOKEN not in str(service.lines())


async def test_rubbish_on_the_wire_stops_nobody(gateway: Gateways) -> None:
    service = gateway(gateway_token=_TOKEN)
    service.start()
    rubbish = [
        b"\x16\x03\x01\x02\x00" + bytes(500),
        b"GET / HTTP/1.1\r\n" + b"x: " + b"y" * 100_000 + b"\r\n\r\n",
        b"POST /v1/results HTTP/1.1\r\nContent-Length: 99999999999\r\ntoken: ",
    ]
    for sent in rubbish:
        _, writer = await asyncio.open_connection("127.0.0.1", service.port)
        writer.write(sent)
        writer.close()
    async with httpx.AsyncClient(timeout=30) as client:
        answer = await client.post(
            f"http://127.0.0.1:{service.port}/v1/results", json=_MESSAGE, headers={"token": _TOKEN}
        )

    assert answer.status_code == 200
    assert await asyncio.to_thread(service.process.stop) == 0


@pytest.mark.parametrize(
    ("config", "told"),
    [
        ("boards:\n- id: a\n- id: a\n", "gateway.yml:3: boards.id: a is the id"),
        ("boards: 3", ":1: boards"),
    ],
)
def test_mistake_in_the_file_stops_the_command_with_its_line(
    tmp_path: Path, config: str, told: str
) -> None:
    (tmp_path / "gateway.yml").write_text(config)
    env = {
        **os.environ,
        "MASKWATCH_DEVICE_GUID": "gw",
        "MASKWATCH_OUTBOX_PATH": str(tmp_path / "outbox.db"),
        "MASKWATCH_GATEWAY_FILE": str(tmp_path / "gateway.yml"),
        "MASKWATCH_GATEWAY_TOKEN": _TOKEN,
    }
    ended = subprocess.run(
        [sys.executable, "-m", "edge_detector", "gateway"],
        env=env,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )

    assert ended.returncode == 78
    assert told in ended.stdout


async def test_port_that_is_taken_is_told(gateway: Gateways) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        service = gateway(gateway_token=_TOKEN, gateway_port=taken.getsockname()[1])
        service.begin()

        assert await asyncio.to_thread(service.process.wait, 60) == 78
    assert any("MASKWATCH_GATEWAY_PORT" in line.get("reason", "") for line in service.lines())
