from pathlib import Path

import pytest
from edge_detector import pipeline, rules
from edge_detector.cameras import Privacy, SourceKind
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


def _rules(settings: EdgeDetectorSettings) -> pipeline.Rules:
    (plan,) = settings.plans
    return rules.of(plan, evidence_bytes_max=settings.evidence_bytes_max)


def test_three_variables_are_enough(load: Load) -> None:
    settings = load()

    judging = _rules(settings).stays.judging
    assert judging.alerts_on == {Label.NO_MASK}
    assert (judging.agreeing, judging.among) == (3, 5)
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


def test_one_camera_is_what_the_variables_say(load: Load) -> None:
    (plan,) = load(
        MASKWATCH_SOURCE="0",
        MASKWATCH_CAMERA="door",
        MASKWATCH_SOURCE_FPS="5",
        MASKWATCH_SOURCE_RESOLUTION="1280x720",
        MASKWATCH_LATITUDE="48.5",
        MASKWATCH_ABSENCE_S="90",
        MASKWATCH_PRIVACY="stats",
    ).plans

    assert (plan.name, plan.kind, plan.index, plan.fps) == ("door", SourceKind.USB, 0, 5)
    assert plan.resolution == (1280, 720)
    assert plan.location.latitude == 48.5
    assert (plan.absence_s, plan.privacy) == (90, Privacy.STATS)


def test_cameras_of_a_file_take_what_they_do_not_say_from_the_variables(
    load: Load, tmp_path: Path
) -> None:
    path = tmp_path / "cameras.yml"
    path.write_text("cameras:\n- {name: a, source: 0, fps: 2}\n- {name: b, source: 1}\n")

    plans = load(MASKWATCH_SOURCE="", MASKWATCH_CAMERAS=str(path), MASKWATCH_SOURCE_FPS="7").plans

    assert [(plan.name, plan.fps) for plan in plans] == [("a", 2), ("b", 7)]


def test_file_of_cameras_and_a_source_are_one_too_many(load: Load) -> None:
    with pytest.raises(Misconfigured, match=r"MASKWATCH_SOURCE.*beside MASKWATCH_CAMERAS"):
        load(MASKWATCH_CAMERAS="cameras.yml")


def test_address_with_a_password_is_not_shown(load: Load) -> None:
    assert "secret-word" not in repr(load(MASKWATCH_SOURCE="rtsp://u:secret-word@camera/1"))


def test_badly_worn_masks_are_alerts_when_asked_for(load: Load) -> None:
    settings = load(MASKWATCH_ALERT_BAD_MASK="true")

    assert _rules(settings).stays.judging.alerts_on == {Label.NO_MASK, Label.BAD_MASK}


@pytest.mark.parametrize(("value", "path"), [("none", None), ("my.json", Path("my.json"))])
def test_classifier_is_a_manifest_or_none(load: Load, value: str, path: Path | None) -> None:
    assert load(MASKWATCH_CLASSIFIER=value).classifier == path


def test_packaged_classifier_is_the_default(load: Load) -> None:
    assert load().classifier == PACKAGED_CLASSIFIER
    assert PACKAGED_CLASSIFIER is None or PACKAGED_CLASSIFIER.exists()
