import pytest
from edge_detector.device.heat import Limits
from edge_detector.device.settings import DeviceSettings
from edge_detector.vision.accelerator import Plugin
from maskwatch_runtime import settings as environment
from maskwatch_runtime.errors import Misconfigured


def test_without_a_word_there_is_no_delegate_and_a_heartbeat_a_minute() -> None:
    settings = environment.load(DeviceSettings)

    assert settings.delegate is None
    assert settings.heat_limits == Limits()
    assert settings.care_pace.heartbeat_s == 60


def test_environment_names_delegate_and_limits(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MASKWATCH_DELEGATE", "libedgetpu.so.1?device=usb")
    monkeypatch.setenv("MASKWATCH_HEAT_WARM_C", "65")
    monkeypatch.setenv("MASKWATCH_HEARTBEAT_S", "30")

    settings = environment.load(DeviceSettings)

    assert settings.delegate == Plugin("libedgetpu.so.1", {"device": "usb"})
    assert settings.heat_limits == Limits(warm_c=65)
    assert settings.care_pace.heartbeat_s == 30


def test_empty_delegate_is_none(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MASKWATCH_DELEGATE", "")

    assert environment.load(DeviceSettings).delegate is None


@pytest.mark.parametrize(
    ("variable", "value", "reason"),
    [
        ("DELEGATE", "lib/npu.so", "MASKWATCH_DELEGATE: 'lib/npu.so' is neither"),
        ("HEARTBEAT_S", "1", "MASKWATCH_HEARTBEAT_S"),
        ("HEAT_HOT_C", "70", "HEAT_HOT_C is lower than HEAT_WARM_C"),
        ("HEAT_WARM_C", "warm", "MASKWATCH_HEAT_WARM_C"),
    ],
)
def test_senseless_setting_is_named(
    monkeypatch: pytest.MonkeyPatch, variable: str, value: str, reason: str
) -> None:
    monkeypatch.setenv(f"MASKWATCH_{variable}", value)

    with pytest.raises(Misconfigured, match=reason):
        environment.load(DeviceSettings)
