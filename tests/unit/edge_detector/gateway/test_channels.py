"""What the channels do without their servers; the integration tests have those."""

import asyncio
import base64
from collections.abc import Callable
from pathlib import Path
from typing import Any

import aiomqtt
import pytest
from edge_detector import tls
from edge_detector.gateway import mqtt
from edge_detector.gateway.boards import LiveView
from edge_detector.gateway.link import Link
from edge_detector.gateway.live_view import Listener
from edge_detector.gateway.metrics import GatewayMetrics
from edge_detector.gateway.mqtt import Inbox
from maskwatch_runtime.clock import SystemClock
from maskwatch_runtime.errors import Misconfigured, Unavailable
from maskwatch_runtime.health import Health
from maskwatch_runtime.retry import Backoff
from maskwatch_runtime.testing import FakeClock
from prometheus_client import CollectorRegistry

_JPEG = bytes.fromhex("ffd8ffe000104a46494600010100000100010000ffc0000b080001000101011100ffd9")


def _message(number: int, qos: int) -> aiomqtt.Message:
    return aiomqtt.Message(
        "maskwatch/b1/result", b"", qos, retain=False, mid=number, properties=None
    )


@pytest.mark.parametrize(
    ("topic", "pattern", "board"),
    [
        ("maskwatch/b1/result", "maskwatch/+/result", "b1"),
        ("b1", "+", "b1"),
        ("boards/results", "boards/results", None),
    ],
)
def test_board_is_the_level_that_may_be_anything(
    topic: str, pattern: str, board: str | None
) -> None:
    assert mqtt.board_of(topic, pattern) == board


def test_flood_of_unreliable_messages_is_bounded_and_counted(
    metrics: GatewayMetrics, registry: CollectorRegistry
) -> None:
    inbox = Inbox(metrics)
    for number in range(1010):
        inbox.put_nowait(_message(number, qos=0))
    inbox.put_nowait(_message(2000, qos=1))

    assert inbox.qsize() == 1001
    labels = {"channel": "mqtt", "outcome": "flood"}
    assert registry.get_sample_value("edge_detector_gateway_results_total", labels) == 10
    assert [message.mid for message in inbox.taken(2)] == [0, 1]
    assert len(inbox.taken(5000)) == 999
    assert inbox.taken(1) == []


@pytest.fixture
def link(metrics: GatewayMetrics) -> Link:
    return Link("broker", "mqtt", Health(SystemClock()), metrics)


async def test_link_is_made_anew_until_the_end(link: Link, registry: CollectorRegistry) -> None:
    stop, sessions = asyncio.Event(), 0

    async def session() -> None:
        nonlocal sessions
        sessions += 1
        if sessions == 1:
            raise Unavailable("broker", "refused")
        link.is_up()
        assert link.health.not_ready() == {}
        if sessions == 2:
            raise Unavailable("broker", "gone")
        stop.set()

    await link.keep(session, backoff=Backoff(initial_s=0.001, cap_s=0.001), stop=stop)

    assert sessions == 3
    labels = {"channel": "mqtt"}
    assert registry.get_sample_value("edge_detector_gateway_reconnects_total", labels) == 2


async def test_link_that_is_down_is_not_ready_with_its_reason(link: Link) -> None:
    stop = asyncio.Event()

    async def session() -> None:
        stop.set()
        raise Unavailable("broker", "connection refused")

    await link.keep(session, backoff=Backoff(), stop=stop)

    assert link.health.not_ready() == {"broker": "connection refused"}


@pytest.fixture
async def listener(desk: Callable[..., Any], link: Link, clock: FakeClock) -> tuple[Any, Listener]:
    made = desk()
    view = LiveView.model_validate({"url": "http://127.0.0.1:4912", "board": "b1"})
    return made, Listener(view, made.reception, link, clock=clock)


def _classified(no_mask: float) -> dict[str, object]:
    values = {"no_mask": no_mask, "mask": 1 - no_mask}
    return {"modelType": "classification", "result": {"classification": values}, "timeMs": 7}


async def test_result_of_a_live_view_takes_the_picture_that_was_shown(
    listener: tuple[Any, Listener], clock: FakeClock
) -> None:
    desk, view = listener
    view.hello({"projectName": "somebody / masks"})
    view.image({"img": "data:image/jpeg;base64," + base64.b64encode(_JPEG).decode()})
    clock.advance(1)
    view.classification(_classified(0.9))

    assert await asyncio.to_thread(desk.spool.wait_until_empty, timeout_s=10)
    (alert,) = desk.store.stored
    assert (alert.image.format, alert.image.data) == ("jpg", _JPEG)


async def test_old_or_large_picture_is_not_taken_for_that_of_the_result(
    listener: tuple[Any, Listener], clock: FakeClock
) -> None:
    desk, view = listener
    view.image({"img": "data:image/jpeg;base64," + base64.b64encode(_JPEG).decode()})
    clock.advance(10)
    view.image({"img": "x" * 2000})
    view.classification(_classified(0.9))

    assert await asyncio.to_thread(desk.spool.wait_until_empty, timeout_s=10)
    (alert,) = desk.store.stored
    assert alert.image.data == b""


@pytest.mark.parametrize("told", [None, 3, {}, {"result": None}, {"result": {"classification": 3}}])
async def test_senseless_events_of_a_live_view_are_counted(
    listener: tuple[Any, Listener], registry: CollectorRegistry, told: object
) -> None:
    desk, view = listener
    view.hello(told)
    view.image(told)
    view.classification(told)

    labels = {"channel": "live_view", "outcome": "malformed"}
    assert registry.get_sample_value("edge_detector_gateway_results_total", labels) == 1
    assert desk.store.stored == []


def test_certificate_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    with pytest.raises(Misconfigured, match=r"MASKWATCH_X_CA_FILE.*nowhere"):
        tls.client(tls.Files(ca=tmp_path / "nowhere.pem"), setting="MASKWATCH_X")
    empty = tmp_path / "empty.pem"
    empty.write_text("")
    with pytest.raises(Misconfigured, match="MASKWATCH_X_CERT_FILE and MASKWATCH_X_KEY_FILE"):
        tls.client(tls.Files(cert=empty, key=empty), setting="MASKWATCH_X")
