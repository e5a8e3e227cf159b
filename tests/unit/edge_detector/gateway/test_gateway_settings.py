from pathlib import Path

import pytest
from edge_detector.gateway import app
from edge_detector.gateway.settings import GatewaySettings
from maskwatch_runtime import settings as environment
from maskwatch_runtime.errors import Misconfigured

_NEEDED = {"MASKWATCH_DEVICE_GUID": "gw", "MASKWATCH_OUTBOX_PATH": "outbox.db"}


def _load(monkeypatch: pytest.MonkeyPatch, **variables: str) -> GatewaySettings:
    for name, value in {**_NEEDED, **variables}.items():
        monkeypatch.setenv(name, value)
    return environment.load(GatewaySettings)


def test_defaults_let_nobody_in(monkeypatch: pytest.MonkeyPatch) -> None:
    settings = _load(monkeypatch)

    assert settings.gateway_token.get_secret_value() == ""
    assert settings.gateway_unknown_boards == "refuse"
    assert settings.gateway_host == "127.0.0.1"
    assert settings.gateway_mqtt_tls
    assert not settings.is_forwarding


@pytest.mark.parametrize(
    ("variables", "told"),
    [
        ({"GATEWAY_TOKEN": "short"}, "MASKWATCH_GATEWAY_TOKEN: .*shorter than 16"),
        ({"GATEWAY_MQTT_RESULT_TOPIC": "a/#"}, "GATEWAY_MQTT_RESULT_TOPIC: .*wildcard"),
        ({"GATEWAY_MQTT_CONNECT_TOPIC": "+/+"}, "GATEWAY_MQTT_CONNECT_TOPIC: .*one level"),
        ({"GATEWAY_CERT_FILE": "x"}, "GATEWAY_CERT_FILE and GATEWAY_KEY_FILE"),
        ({"GATEWAY_MQTT_KEY_FILE": "x"}, "GATEWAY_MQTT_CERT_FILE and"),
        ({"FORWARD_URL": "https://x.example"}, "FORWARD_QUEUE_PATH is missing"),
        ({"FORWARD_URL": "x", "FORWARD_QUEUE_PATH": "q"}, "FORWARD_URL is no address"),
        ({"FORWARD_URL": "https://a:b@x.example", "FORWARD_QUEUE_PATH": "q"}, "use FORWARD_TOKEN"),
        (
            {"FORWARD_URL": "http://x.example", "FORWARD_QUEUE_PATH": "q", "FORWARD_TOKEN": "t"},
            "use https",
        ),
        ({"FORWARD_URL": "https://x.example", "FORWARD_MQTT_HOST": "y"}, "choose one"),
        ({"FORWARD_CERT_FILE": "x"}, "FORWARD_CERT_FILE and FORWARD_KEY_FILE"),
    ],
)
def test_senseless_setting_is_named(
    monkeypatch: pytest.MonkeyPatch, variables: dict[str, str], told: str
) -> None:
    with pytest.raises(Misconfigured, match=told):
        _load(monkeypatch, **{f"MASKWATCH_{name}": value for name, value in variables.items()})


def test_no_error_tells_a_secret(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(Misconfigured) as refused:
        _load(monkeypatch, MASKWATCH_GATEWAY_TOKEN="hunter2")

    assert "hunter2" not in str(refused.value)


async def _serve(monkeypatch: pytest.MonkeyPatch, folder: Path, **variables: str) -> None:
    settings = _load(
        monkeypatch, **{**variables, "MASKWATCH_OUTBOX_PATH": str(folder / "outbox.db")}
    )
    # Refused before anything is opened: no event is ever waited for.
    await app.serve(settings, None)  # type: ignore[arg-type]


async def test_gateway_without_a_way_in_is_refused(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    with pytest.raises(Misconfigured, match="no way in: set MASKWATCH_GATEWAY_TOKEN"):
        await _serve(monkeypatch, tmp_path)


async def test_gateway_that_would_refuse_every_board_is_refused(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    with pytest.raises(Misconfigured, match="no board is known"):
        await _serve(monkeypatch, tmp_path, MASKWATCH_GATEWAY_TOKEN="0123456789abcdef")
