import sqlite3
from collections.abc import Callable
from typing import Any

import aiomqtt
import pytest
from edge_detector.gateway.compose import event_id_of

from benchmarks.edge.gateway_service import GatewayService
from benchmarks.edge.mosquitto import Authority, Mosquitto

Gateways = Callable[..., GatewayService]


def _result(number: int, label: str = "no_mask") -> dict[str, object]:
    return {"id": number, "results": {label: 0.9}}


def _expected(*numbers: int) -> list[str]:
    return [str(event_id_of("gw/b1", number)) for number in numbers]


def _ids(service: GatewayService) -> list[str]:
    return [event_id for event_id, _ in service.alerts()]


async def test_results_become_alerts_in_order_and_once(
    gateway: Gateways, by_mqtt: dict[str, object], board: Any, until: Any
) -> None:
    service = gateway(**by_mqtt)
    service.start()
    await board.publish(b"", topic="maskwatch/b1/connect")
    await board.publish(
        _result(1), _result(2, "no_face"), _result(3), _result(3), _result(4, "no_face"), _result(5)
    )
    await until(lambda: service.metric("gateway_results_total", channel="mqtt") == 6)
    await until(lambda: len(service.alerts()) == 3)

    assert service.metric("gateway_results_total", outcome="duplicate") == 1
    assert service.metric("gateway_connects_total") == 1
    assert _ids(service) == _expected(1, 3, 5)
    assert service.process.stop() == 0
    assert [kind for _, kind in service.device_events()].count("episode_ended") == 3


async def test_bad_messages_are_counted_and_do_not_stop_the_next(
    gateway: Gateways, by_mqtt: dict[str, object], board: Any, until: Any
) -> None:
    service = gateway(**by_mqtt)
    service.start()
    await board.publish(
        b"\xff",
        b"{}",
        _result(1, "hat"),
        {"results": {"no_mask": 2}},
        {**_result(2), "device": "b2"},
    )
    await board.publish(_result(1), topic="maskwatch/b9/result")
    await board.publish(b"", topic="maskwatch/b9/connect")
    await board.publish(_result(7))
    await until(service.alerts)

    assert service.metric("gateway_results_total", outcome="accepted") == 1
    assert service.metric("gateway_results_total", outcome="malformed") == 3
    assert service.metric("gateway_results_total", outcome="unknown_label") == 1
    assert service.metric("gateway_results_total", outcome="value_out_of_range") == 1
    assert service.metric("gateway_results_total", outcome="unknown_board") == 2
    assert _ids(service) == _expected(7)
    assert service.process.stop() == 0


async def test_retained_result_of_long_ago_is_no_alert(
    gateway: Gateways, by_mqtt: dict[str, object], board: Any, until: Any
) -> None:
    await board.publish(_result(1), retain=True)
    service = gateway(**by_mqtt)
    service.start()
    await until(lambda: service.metric("gateway_results_total", outcome="retained") == 1)

    assert service.alerts() == []


async def test_what_comes_while_the_gateway_is_away_is_kept_for_it(
    gateway: Gateways, by_mqtt: dict[str, object], board: Any, until: Any
) -> None:
    service = gateway(**by_mqtt)
    service.start()
    service.process.kill()
    await board.publish(*(_result(n, "no_mask" if n % 2 else "no_face") for n in range(1, 100)))
    service.start()
    await until(lambda: service.metric("gateway_results_total", channel="mqtt") == 99)
    await until(lambda: len(service.alerts()) == 50)

    assert _ids(service) == _expected(*range(1, 100, 2))


async def test_result_is_not_acknowledged_before_its_alert_is_durable(
    gateway: Gateways, by_mqtt: dict[str, object], board: Any, until: Any
) -> None:
    service = gateway(**by_mqtt)
    service.start()
    blocker = sqlite3.connect(service.outbox_path, isolation_level=None)
    blocker.execute("BEGIN EXCLUSIVE")
    await board.publish(_result(1))
    await until(lambda: service.metric("gateway_results_total", outcome="accepted") == 1)
    service.process.kill()
    blocker.execute("ROLLBACK")
    blocker.close()
    assert service.alerts() == []

    service.start()
    await until(service.alerts)

    assert _ids(service) == _expected(1)


@pytest.mark.parametrize("end", ["kill", "stop"])
async def test_broker_that_goes_away_is_waited_for(
    gateway: Gateways,
    broker: Mosquitto,
    by_mqtt: dict[str, object],
    board: Any,
    until: Any,
    end: str,
) -> None:
    service = gateway(**by_mqtt)
    service.start()
    await board.publish(_result(1), _result(2, "no_face"))
    await until(lambda: service.metric("gateway_results_total", channel="mqtt") == 2)

    getattr(broker, end)()
    await until(lambda: not service.is_ready())
    assert service.is_live()
    broker.start()
    await board.publish(_result(3))
    await until(lambda: len(service.alerts()) == 2)

    assert _ids(service) == _expected(1, 3)
    assert service.is_ready()
    assert service.metric("gateway_reconnects_total", channel="mqtt") >= 1
    assert service.process.stop() == 0


async def test_client_without_a_certificate_of_ours_is_refused_and_told(
    gateway: Gateways, broker: Mosquitto, by_mqtt: dict[str, object], tmp_path: Any, until: Any
) -> None:
    stranger = Authority(tmp_path / "elsewhere", "another authority").issue("stranger")
    service = gateway(
        **{
            **by_mqtt,
            "gateway_mqtt_cert_file": stranger.cert,
            "gateway_mqtt_key_file": stranger.key,
        }
    )
    service.begin()
    await until(service.is_live)
    await until(lambda: service.metric("gateway_reconnects_total", channel="mqtt") >= 1)

    assert not service.is_ready()
    with pytest.raises(aiomqtt.MqttError):
        async with aiomqtt.Client("127.0.0.1", broker.port):
            pytest.fail("a client without TLS was let in")
    assert service.process.stop() == 0


async def test_broker_of_another_authority_is_not_trusted(
    gateway: Gateways, by_mqtt: dict[str, object], tmp_path: Any, until: Any
) -> None:
    other = Authority(tmp_path / "elsewhere", "another authority")
    service = gateway(**{**by_mqtt, "gateway_mqtt_ca_file": other.cert})
    service.begin()
    await until(service.is_live)
    await until(lambda: service.metric("gateway_reconnects_total", channel="mqtt") >= 1)

    assert not service.is_ready()
    assert any("certificate verify failed" in line.get("reason", "") for line in service.lines())
