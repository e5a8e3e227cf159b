"""Several cameras in one service: one that fails does not touch the others."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2
import pytest
from edge_detector.vision.arrays import Picture
from maskwatch_proto.alert import Label
from maskwatch_proto.device_event import CameraState

_UP, _DOWN = CameraState.UP, CameraState.DOWN
# Short, for a test; a machine that does ten other things may still keep a frame back for a second.
_WATCH = {"stalled_s": 4, "frozen_s": 8, "down_after_s": 8, "up_after_s": 1}


def _write(folder: Path, cameras: list[dict[str, Any]]) -> str:
    path = folder / "cameras.yml"
    path.write_text(json.dumps({"cameras": cameras}))  # JSON is YAML
    return str(path)


def test_cameras_that_die_freeze_and_fall_silent_are_told_once_and_the_others_go_on(
    service: Callable[..., Any], mjpeg: Any, tmp_path: Path
) -> None:
    servers = {name: mjpeg() for name in ("works", "garbage", "frozen", "silent")}
    plans = [
        {"name": name, "source": server.address, "fps": 4, "watch": _WATCH}
        for name, server in servers.items()
    ]
    running = service(cameras=_write(tmp_path, plans))
    running.log("listen")
    # Each is told to be up; a busy machine may have been so slow that some were down before.
    running.until(lambda: set(dict(running.changes()).items()) == {(name, _UP) for name in servers})
    before = len(running.changes())

    for name in ("garbage", "frozen", "silent"):
        servers[name].mode = name
    running.until(lambda: running.metric("camera_up") == 1)
    frames = running.metric('camera_frames_total{camera="works"}')
    assert running.get("/health/ready")[0] == 200
    running.until(lambda: running.metric('camera_frames_total{camera="works"}') > frames + 8)

    for server in servers.values():
        server.mode = "live"
    running.until(lambda: running.metric("camera_up") == 4)
    assert running.stop() == 0

    changes = running.changes()[before:]
    assert sorted(set(changes)) == sorted(changes)
    assert {name: [s for n, s in changes if n == name] for name in servers} == {
        "works": [],
        "garbage": [_DOWN, _UP],
        "frozen": [_DOWN, _UP],
        "silent": [_DOWN, _UP],
    }


def test_all_cameras_down_is_not_ready(service: Callable[..., Any], tmp_path: Path) -> None:
    plans: list[dict[str, Any]] = [{"name": "a", "source": 97}, {"name": "b", "source": 98}]
    running = service(cameras=_write(tmp_path, plans))
    running.log("listen")

    both = "a: camera 97 cannot be opened; b: camera 98 cannot be opened"
    running.until(lambda: both in running.get("/health/ready")[1])
    assert running.get("/health/ready")[0] == 503
    assert running.get("/health/live")[0] == 200
    assert running.stop() == 0


def test_rtsp_camera_that_comes_late_is_judged(
    service: Callable[..., Any], rtsp: Any, tmp_path: Path
) -> None:
    rtsp.kill()
    plans = [{"name": "door", "source": rtsp.address, "fps": 3}]
    running = service(cameras=_write(tmp_path, plans))
    running.log("reconnect")

    rtsp.start()
    running.until(lambda: running.metric("camera_frames_total") > 2)
    running.until(lambda: running.get("/health/ready")[0] == 200)

    assert running.stop() == 0


def test_two_sources_raise_alerts_of_their_own_name_and_place(
    service: Callable[..., Any], astronaut: Picture, hopper: Picture, tmp_path: Path
) -> None:
    for name, picture in (("a.png", astronaut), ("b.png", hopper)):
        assert cv2.imwrite(str(tmp_path / name), picture)
    plans: list[dict[str, Any]] = [
        {"name": "door", "source": "a.png", "location": {"longitude": 2.5, "latitude": 48.5}},
        {"name": "lab", "source": "b.png"},
    ]
    running = service(cameras=_write(tmp_path, plans), exit_at_end="true")

    assert running.wait() == 0

    alerts = {alert.camera: alert for alert in running.alerts()}
    assert {name: alert.label for name, alert in alerts.items()} == {
        "door": Label.NO_MASK,
        "lab": Label.NO_MASK,
    }
    assert (alerts["door"].location.latitude, alerts["lab"].location.latitude) == (48.5, 0)
    sequences = [event.sequence for event in running.stored()]
    assert sequences == [*range(1, len(sequences) + 1)]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("cameras:\n- name: a\n  source: 0\n  colour: red", "cameras.yml:4: cameras.colour"),
        ("cameras:\n- name: a\n  source: gone.mp4", "gone.mp4 does not exist"),
    ],
)
def test_wrong_file_stops_the_service_with_file_line_and_reason(
    service: Callable[..., Any], tmp_path: Path, text: str, said: str
) -> None:
    path = tmp_path / "cameras.yml"
    path.write_text(text)
    running = service(cameras=str(path))

    assert running.wait() == 78
    assert said in running.lines[-1]["reason"]


def test_no_log_line_tells_a_password(service: Callable[..., Any], tmp_path: Path) -> None:
    plans = [{"name": "a", "source": "rtsp://u:secret-word@127.0.0.1:9/secret-word"}]
    running = service(cameras=_write(tmp_path, plans))
    running.log("reconnect")
    running.log("reconnect")

    assert running.stop() == 0
    assert "secret-word" not in json.dumps(running.lines)
    assert "rtsp://127.0.0.1:9/…" in json.dumps(running.lines, ensure_ascii=False)


def test_camera_that_works_from_the_start_is_said_to_be_up(
    service: Callable[..., Any], mjpeg: Any, tmp_path: Path
) -> None:
    plan = {"name": "door", "source": mjpeg().address, "fps": 4, "watch": _WATCH}
    running = service(cameras=_write(tmp_path, [plan]))
    running.log("listen")

    running.until(lambda: len(running.changes()) > 0)
    assert running.stop() == 0

    # Whatever a former start said of it.
    assert running.changes() == [("door", _UP)]
