from pathlib import Path

import pytest
from edge_detector import cameras, rules
from edge_detector.cameras import CameraPlan, Privacy, SourceKind
from edge_detector.people.policy import Agreement
from maskwatch_proto.alert import Label
from maskwatch_runtime.errors import Misconfigured
from pydantic import SecretStr

_FULL = """
cameras:
  - name: North door
    source: rtsp://viewer:${DOOR_PASSWORD}@camera-1:8554/main?profile=2
    fps: 5
    location: {longitude: 2.35, latitude: 48.85}
    zones:
      include:
        - [[0, 0.2], [1, 0.2], [1, 1], [0, 1]]
      exclude:
        - [[0.8, 0.8], [1, 0.8], [1, 1]]
    votes_agreeing: 2
    votes_among: 4
    face_side_min_px: 40
    absence_s: 120
    alert_bad_mask: true
    privacy: blurred
    blur_violators: true
    watch: {frozen_s: null, down_after_s: 30}
  - name: Line 2
    source: 0
    resolution: 1280x720
  - name: Training room
    source: clips/training.mp4
    loop: true
"""


def _write(folder: Path, text: str) -> Path:
    path = folder / "cameras.yml"
    path.write_text(text)
    return path


def _camera(**keys: str) -> str:
    lines = [f"{key}: {value}" for key, value in ({"name": "a", "source": "0"} | keys).items()]
    return "cameras:\n  - " + "\n    ".join(lines)


def test_every_camera_of_the_file_is_read(tmp_path: Path) -> None:
    door, line, room = cameras.read(
        _write(tmp_path, _FULL), environ={"DOOR_PASSWORD": "p@ss/word"}, defaults={"fps": 8}
    )

    assert (door.name, line.name, room.name) == ("North door", "Line 2", "Training room")
    assert (door.kind, line.kind, room.kind) == (
        SourceKind.STREAM,
        SourceKind.USB,
        SourceKind.FILES,
    )
    assert (door.fps, line.fps) == (5, 8)
    assert door.zones.exclude == (((0.8, 0.8), (1, 0.8), (1, 1)),)
    assert (line.index, line.resolution) == (0, (1280, 720))
    assert (door.privacy, line.privacy) == (Privacy.BLURRED, Privacy.EVIDENCE)
    assert room.source.get_secret_value() == str(tmp_path / "clips" / "training.mp4")
    assert (door.is_live, line.is_live, room.is_live) == (True, True, False)


def test_password_in_an_address_is_encoded_and_never_shown(tmp_path: Path) -> None:
    door, *_ = cameras.read(_write(tmp_path, _FULL), environ={"DOOR_PASSWORD": "p@ss/word"})

    assert door.source.get_secret_value() == (
        "rtsp://viewer:p%40ss%2Fword@camera-1:8554/main?profile=2"
    )
    assert door.shown_source == "rtsp://camera-1:8554/…"
    assert "p@ss" not in repr(door)
    assert "p%40ss" not in repr(door)


def test_secret_comes_from_a_file(tmp_path: Path) -> None:
    (tmp_path / "address").write_text("rtsp://u:p@camera/1\n")
    text = _camera(source="'${file:" + str(tmp_path / "address") + "}'")

    (plan,) = cameras.read(_write(tmp_path, text))

    assert plan.source.get_secret_value() == "rtsp://u:p@camera/1"


@pytest.mark.parametrize(
    ("source", "kind", "index"),
    [
        ("0", SourceKind.USB, 0),
        ("12", SourceKind.USB, 12),
        ("picamera", SourceKind.PI, 0),
        ("picamera:1", SourceKind.PI, 1),
        ("browser", SourceKind.BROWSER, None),
        ("posted", SourceKind.POSTED, None),
        ("https://camera/stream.mjpg", SourceKind.STREAM, None),
        ("pictures/", SourceKind.FILES, None),
        ("/dev/video0", SourceKind.FILES, None),
        ("٣", SourceKind.FILES, None),
    ],
)
def test_source_tells_what_it_is(source: str, kind: SourceKind, index: int | None) -> None:
    plan = CameraPlan(name="a", source=SecretStr(source))

    assert (plan.kind, plan.index) == (kind, index)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", r":1: the file has to begin with the key cameras"),
        ("- name: a", r":1: the file has to begin with the key cameras"),
        ("cameras: []", r":1: cameras: has to be a list of 1 to 64 cameras"),
        ("cameras:\n  - name: a\n    source: 0\nother: 1", r":4: other: there is no such key"),
        ("cameras:\n  - door", r":2: cameras: a camera is a map"),
        (_camera(fsp="5"), r":4: cameras\.fsp: there is no such key"),
        (_camera(watch="{stalled: 5}"), r":4: cameras\.watch\.stalled: there is no such key"),
        (_camera(fps="0"), r":4: cameras\.fps: Input should be greater than 0"),
        (_camera(fps=".nan"), r":4: cameras\.fps"),
        (_camera(name="''"), r":2: cameras\.name"),
        (_camera(name="'<b>'"), r":2: cameras\.name: may not hold markup"),
        (_camera(source="''"), r":2: cameras: source: is empty"),
        ("cameras:\n  - name: a", r":2: cameras\.source: is missing"),
        (_camera(source="ftp://camera/1"), r"an address begins with rtsp, rtsps, http, https"),
        (_camera(source="rtsp://"), r"the address names no host"),
        (_camera(source="rtsp://host:port/"), r"senseless after ://"),
        (_camera(source="'rtsp://host/a b'"), r"holds a space"),
        (_camera(source="'${NOT_THERE}'"), r":3: cameras\.source: \$\{NOT_THERE\}: is not set"),
        (_camera(source="'${file:/nowhere/x}'"), r"\$\{file:/nowhere/x\}: No such file"),
        (_camera(privacy="some"), r":4: cameras\.privacy"),
        (_camera(votes_agreeing="6"), r"no alert would ever be"),
        (_camera(absence_s="1"), r"absence_s is shorter than track_keep_s"),
        (_camera(resolution="1280"), r":4: cameras\.resolution"),
        (_camera(resolution="99999x720"), r":4: cameras\.resolution"),
        (
            _camera(zones="\n      include:\n        - [[0, 0], [1, 1]]"),
            r":6: cameras\.zones\.include: a polygon has at least 3 corners",
        ),
        (
            _camera(zones="{exclude: [[[0, 0], [640, 0], [640, 480]]]}"),
            r":4: cameras\.zones\.exclude: the corner \(640, 0\) is outside the frame",
        ),
        (
            _camera(zones="{include: [[[0, 0], [1, 1], [1, 0], [0, 1]]]}"),
            r"cross or touch",
        ),
        (
            _camera() + "\n  - name: a\n    source: 1",
            r":4: cameras\.name: a is the name of the camera at .*cameras\.yml:2",
        ),
        (_camera() + "\n  - name: b\n    source: '0'", r":5: cameras\.source: a reads this"),
    ],
)
def test_every_mistake_is_named_with_file_and_line(tmp_path: Path, text: str, said: str) -> None:
    path = _write(tmp_path, text)

    with pytest.raises(Misconfigured, match=said) as refused:
        cameras.read(path, environ={})

    assert str(path) in str(refused.value)
    assert "\n" not in str(refused.value)


def test_refused_address_is_not_repeated(tmp_path: Path) -> None:
    text = _camera(source="ftp://user:secret-word@camera/1", fps="0")

    with pytest.raises(Misconfigured) as refused:
        cameras.read(_write(tmp_path, text))

    assert "secret-word" not in str(refused.value)


def test_plan_becomes_the_pipelines_rules(tmp_path: Path) -> None:
    door, line, _ = cameras.read(_write(tmp_path, _FULL), environ={"DOOR_PASSWORD": "p"})

    of_door = rules.of(door, evidence_bytes_max=50_000)

    judging = of_door.stays.judging
    assert (judging.agreeing, judging.among) == (2, 4)
    assert judging.badly_worn == Agreement(4, 6)
    assert judging.side_px_min == 40
    assert judging.alerts_on == {Label.NO_MASK, Label.BAD_MASK}
    assert rules.of(line, evidence_bytes_max=1).stays.judging.alerts_on == {Label.NO_MASK}
    assert of_door.stays.absence_s == 120
    assert of_door.zones.include == door.zones.include
    assert (of_door.privacy.mode, of_door.privacy.blurs_violators) == ("blurred", True)
    assert of_door.evidence_bytes_max == 50_000


def test_plan_says_when_its_camera_is_doubted(tmp_path: Path) -> None:
    door, line, room = cameras.read(_write(tmp_path, _FULL), environ={"DOOR_PASSWORD": "p"})

    assert (rules.watching(door).frozen_s, rules.watching(door).down_after_s) == (None, 30)
    assert (rules.watching(line).stalled_s, rules.watching(line).frozen_s) == (5, 20)
    assert rules.watching(room).stalled_s is None


def test_slow_camera_is_given_time() -> None:
    slow = CameraPlan(name="a", source=SecretStr("0"), fps=0.1)

    assert rules.watching(slow).stalled_s == pytest.approx(30)
    assert rules.watching(slow).down_after_s == pytest.approx(30)


def test_nobody_has_to_post_unless_the_plan_says_how_often() -> None:
    posted = CameraPlan(name="a", source=SecretStr("posted"))
    expected = CameraPlan.model_validate(
        {"name": "a", "source": "posted", "watch": {"stalled_s": 60}}
    )

    assert rules.watching(posted).stalled_s is None
    assert rules.watching(expected).stalled_s == 60


def test_one_camera_of_the_environment_is_refused_by_its_variable() -> None:
    with pytest.raises(Misconfigured, match=r"MASKWATCH_SOURCE: .*names no host"):
        cameras.one({"name": "a", "source": "rtsp://"})
