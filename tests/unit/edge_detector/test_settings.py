from pathlib import Path

import pytest
from edge_detector.settings import PACKAGED_CLASSIFIER, EdgeDetectorSettings
from maskwatch_proto.alert import Label
from maskwatch_runtime import settings as environment
from maskwatch_runtime.errors import Misconfigured

_REQUIRED = {
    "MASKWATCH_SOURCE": "clip.mp4",
    "MASKWATCH_DEVICE_GUID": "device-1",
    "MASKWATCH_OUTBOX_PATH": "outbox.db",
}


@pytest.fixture
def load(monkeypatch: pytest.MonkeyPatch) -> "Load":
    return Load(monkeypatch)


class Load:
    """Loads the settings from an environment with the required variables and others."""

    def __init__(self, environ: pytest.MonkeyPatch) -> None:
        self._environ = environ

    def __call__(self, **variables: str) -> EdgeDetectorSettings:
        for name, value in (_REQUIRED | variables).items():
            self._environ.setenv(name, value)
        return environment.load(EdgeDetectorSettings)


def test_three_variables_are_enough(load: Load) -> None:
    settings = load()

    assert settings.rules.moving.alerts_on == {Label.NO_MASK}
    assert (settings.rules.moving.agreeing, settings.rules.moving.among) == (3, 5)
    assert (settings.rules.scene.agreeing, settings.rules.scene.among) == (1, 1)
    assert settings.model.exists()


def test_each_missing_variable_is_named() -> None:
    with pytest.raises(Misconfigured) as refused:
        environment.load(EdgeDetectorSettings)

    for name in _REQUIRED:
        assert name in str(refused.value)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("MASKWATCH_CAMERA", "door\nBcc: everyone@example.org"),
        ("MASKWATCH_CAMERA", "door\r"),
        ("MASKWATCH_CAMERA", "do\x07or"),
        ("MASKWATCH_CAMERA", "line\u2028separator"),
        ("MASKWATCH_CAMERA", "\u202egnp.exe"),
        ("MASKWATCH_CAMERA", "x" * 201),
        ("MASKWATCH_DEVICE_TYPE", "<script>alert(1)</script>"),
        ("MASKWATCH_DEVICE_GUID", ""),
        ("MASKWATCH_DEVICE_GUID", "\x1b[31m"),
        ("MASKWATCH_DEVICE_DEPLOYED_ON", "2026\n"),
        ("MASKWATCH_LONGITUDE", "181"),
        ("MASKWATCH_LATITUDE", "nan"),
        ("MASKWATCH_VOTES_AGREEING", "0"),
        ("MASKWATCH_EVIDENCE_BYTES_MAX", "10"),
        ("MASKWATCH_SOURCE_FPS", "0"),
        ("MASKWATCH_INFERENCE_RUNTIME", "onnx"),
        ("MASKWATCH_SOURCE", ""),
    ],
)
def test_senseless_value_is_refused_with_the_variables_name(
    load: Load, name: str, value: str
) -> None:
    with pytest.raises(Misconfigured, match=name):
        load(**{name: value})


@pytest.mark.parametrize("name", ["R&D, door 2", "Eingang Süd", "دوربین\u200cدر", "門口 🎥"])
def test_name_of_any_language_is_taken(load: Load, name: str) -> None:
    assert load(MASKWATCH_CAMERA=name).camera == name


def test_votes_that_can_never_agree_are_refused(load: Load) -> None:
    with pytest.raises(Misconfigured, match="VOTES_AGREEING"):
        load(MASKWATCH_VOTES_AGREEING="6")


@pytest.mark.parametrize(
    ("source", "index"), [("0", 0), ("12", 12), ("/dev/video0", None), ("٣", None), ("-1", None)]
)
def test_source_that_is_a_number_is_a_usb_camera(
    load: Load, source: str, index: int | None
) -> None:
    assert load(MASKWATCH_SOURCE=source).camera_index == index


def test_badly_worn_masks_are_alerts_when_asked_for(load: Load) -> None:
    rules = load(MASKWATCH_ALERT_BAD_MASK="true").rules

    assert rules.moving.alerts_on == rules.scene.alerts_on == {Label.NO_MASK, Label.BAD_MASK}


@pytest.mark.parametrize(("value", "path"), [("none", None), ("my.json", Path("my.json"))])
def test_classifier_is_a_manifest_or_none(load: Load, value: str, path: Path | None) -> None:
    assert load(MASKWATCH_CLASSIFIER=value).classifier == path


def test_packaged_classifier_is_the_default(load: Load) -> None:
    assert load().classifier == PACKAGED_CLASSIFIER
    assert PACKAGED_CLASSIFIER is None or PACKAGED_CLASSIFIER.exists()
