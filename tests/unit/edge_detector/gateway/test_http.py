import asyncio
import json
from collections.abc import AsyncIterator, Callable
from typing import Any

import httpx
import pytest
from edge_detector.gateway.http import Api
from prometheus_client import CollectorRegistry

_TOKEN = "0123456789abcdef"
_BEARER = {"Authorization": f"Bearer {_TOKEN}"}
_MESSAGE = {"device": "b1", "results": {"no_mask": 0.9}}


@pytest.fixture
def api(desk: Callable[..., Any]) -> Callable[..., Any]:
    """Make a desk and a client of its API."""

    def make(**sizes: int) -> tuple[Any, httpx.AsyncClient]:
        made = desk(**sizes)
        app = Api(made.reception, token=_TOKEN, metrics=made.metrics).application()
        return made, httpx.AsyncClient(
            transport=httpx.ASGITransport(app=app), base_url="http://gateway"
        )

    return make


async def test_json_that_is_posted_becomes_a_durable_alert(api: Callable[..., Any]) -> None:
    desk, client = api()
    async with client:
        answer = await client.post("/v1/results", json=_MESSAGE, headers=_BEARER)

    assert answer.status_code == 200
    assert answer.json() == {"outcome": "accepted", "stored": True}
    assert [event.device.guid for event in desk.store.stored] == ["gw/b1"]


@pytest.mark.parametrize("method", ["GET", "POST"])
@pytest.mark.parametrize("path", ["/", "/v1/results"])
async def test_header_style_of_boards_is_understood(
    api: Callable[..., Any], registry: CollectorRegistry, method: str, path: str
) -> None:
    desk, client = api()
    headers = {"token": _TOKEN, "device": "b1"}
    data = json.dumps([{"label": "mask", "value": 0.1}, {"label": "no_mask", "value": 0.9}])
    async with client:
        hello = await client.request(method, path, headers={**headers, "topic": "connect"})
        answer = await client.request(
            method, path, headers={**headers, "topic": "result", "data": data}
        )

    assert hello.json() == {"outcome": "connected"}
    assert answer.json()["outcome"] == "accepted"
    assert len(desk.store.stored) == 1
    assert registry.get_sample_value("edge_detector_gateway_connects_total") == 1


async def test_second_delivery_is_answered_as_one(api: Callable[..., Any]) -> None:
    desk, client = api()
    async with client:
        answers = [
            await client.post("/v1/results", json={**_MESSAGE, "id": 7}, headers=_BEARER)
            for _ in range(2)
        ]

    assert [answer.json()["outcome"] for answer in answers] == ["accepted", "duplicate"]
    assert len(desk.store.stored) == 1


@pytest.mark.parametrize(
    "headers",
    [{}, {"token": ""}, {"token": "wrong"}, {"Authorization": "Bearer"}, {"Authorization": _TOKEN}],
)
async def test_nobody_gets_in_without_the_token(
    api: Callable[..., Any], registry: CollectorRegistry, headers: dict[str, str]
) -> None:
    desk, client = api()
    async with client:
        answer = await client.post("/v1/results", json=_MESSAGE, headers=headers)

    assert answer.status_code == 401
    assert "token" in answer.json()["error"]
    assert desk.store.stored == []
    assert registry.get_sample_value("edge_detector_gateway_unauthorised_total") == 1


async def test_guessing_the_token_is_slowed_down_and_boards_are_not(
    api: Callable[..., Any],
) -> None:
    _, client = api()
    async with client:
        guesses = [await client.get("/", headers={"token": str(n)}) for n in range(30)]
        answer = await client.post("/v1/results", json=_MESSAGE, headers=_BEARER)

    assert {guess.status_code for guess in guesses} == {401, 429}
    assert answer.status_code == 200


async def test_empty_token_is_none(desk: Callable[..., Any], metrics: Any) -> None:
    with pytest.raises(ValueError, match="everybody"):
        Api(desk().reception, token="", metrics=metrics)


@pytest.mark.parametrize(
    ("message", "status", "reason"),
    [
        (b"{", 400, "malformed"),
        (b'{"device": "b1", "results": {"hat": 1}}', 400, "unknown_label"),
        (b'{"device": "b1", "results": {"mask": 7}}', 400, "value_out_of_range"),
        (b'{"device": "b9", "results": {"mask": 1}}', 403, "unknown_board"),
        (b'{"device": "b1", "results": {"mask": 1}, "picture": "AAAA"}', 400, "bad_picture"),
        (b" " * 30_000, 413, "too_large"),
    ],
)
async def test_bad_message_is_answered_with_its_reason_and_counted(
    api: Callable[..., Any],
    registry: CollectorRegistry,
    message: bytes,
    status: int,
    reason: str,
) -> None:
    _, client = api()
    async with client:
        answer = await client.post("/v1/results", content=message, headers=_BEARER)

    assert answer.status_code == status
    assert answer.json()["reason"] == reason
    labels = {"channel": "http", "outcome": reason}
    assert registry.get_sample_value("edge_detector_gateway_results_total", labels) == 1


async def test_get_without_data_and_connect_without_device_are_told(
    api: Callable[..., Any],
) -> None:
    _, client = api()
    async with client:
        no_data = await client.get("/", headers={"token": _TOKEN, "device": "b1"})
        nobody = await client.get("/", headers={"token": _TOKEN, "topic": "connect"})

    assert (no_data.status_code, nobody.status_code) == (400, 400)
    assert "header data" in no_data.json()["error"]


async def test_flood_is_answered_with_when_to_come_again(api: Callable[..., Any]) -> None:
    _, client = api()
    async with client:
        answers = [
            await client.post("/v1/results", json=_MESSAGE, headers=_BEARER) for _ in range(21)
        ]

    assert [answer.status_code for answer in answers] == [200] * 20 + [429]
    assert answers[-1].headers["Retry-After"] == "1"


async def test_full_disk_holds_boards_back_and_loses_nothing(api: Callable[..., Any]) -> None:
    desk, client = api(waiting_max=1)
    desk.store.is_full = True
    async with client:
        first = asyncio.create_task(client.post("/v1/results", json=_MESSAGE, headers=_BEARER))
        async with asyncio.timeout(10):
            while not desk.reception.is_full:
                await asyncio.sleep(0)
        second = await client.post("/v1/results", json=_MESSAGE, headers=_BEARER)
        desk.store.is_full = False
        answer = await first

    assert second.status_code == 503
    assert second.headers["Retry-After"] == "5"
    assert answer.json() == {"outcome": "accepted", "stored": True}
    assert len(desk.store.stored) == 1


async def test_body_is_not_read_further_than_it_may_be_long(api: Callable[..., Any]) -> None:
    _, client = api()
    sent = 0

    async def endless() -> AsyncIterator[bytes]:
        nonlocal sent
        while sent < 10_000_000:
            sent += 4096
            yield b" " * 4096

    async with client:
        answer = await client.post("/v1/results", content=endless(), headers=_BEARER)

    assert answer.status_code == 413
    assert sent < 100_000
