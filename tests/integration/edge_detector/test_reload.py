"""SIGHUP: other cameras, zones and thresholds without losing whoever is in view."""

import json
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2
import pytest
from edge_detector.vision.arrays import Picture
from maskwatch_proto.alert import Alert
from maskwatch_proto.device_event import EpisodeEnded

from tests.integration.edge_detector.conftest import Service

_EVERYWHERE = {"include": [[[0, 0], [1, 0], [1, 1], [0, 1]]]}


def _write(folder: Path, *cameras: dict[str, Any]) -> Path:
    path = folder / "cameras.yml"
    path.write_text(json.dumps({"cameras": cameras}))  # JSON is YAML
    return path


def _hang_up(running: Service, *, outcome: str, count: int) -> None:
    running.process.send_signal(signal.SIGHUP)
    running.until(lambda: running.metric(f'reloads_total{{outcome="{outcome}"}}') == count)


def _ended(running: Service, camera: str) -> list[EpisodeEnded]:
    return [
        event.happening
        for event in running.stored()
        if not isinstance(event, Alert)
        and isinstance(event.happening, EpisodeEnded)
        and event.camera == camera
    ]


@pytest.fixture
def door(tmp_path: Path, astronaut: Picture) -> dict[str, Any]:
    """Somebody who stays for as long as the test does: pictures that follow each other."""
    folder = tmp_path / "door"
    folder.mkdir()
    for number in range(2):
        assert cv2.imwrite(str(folder / f"{number}.png"), astronaut)
    return {"name": "door", "source": "door", "pictures": "frames", "loop": True, "paced": True}


def test_zone_camera_and_mistake_change_nothing_for_who_is_in_view(
    service: Callable[..., Service], tmp_path: Path, door: dict[str, Any], hopper: Picture
) -> None:
    assert cv2.imwrite(str(tmp_path / "lab.png"), hopper)
    path = _write(tmp_path, door)
    running = service(cameras=str(path))
    running.log("listen")
    running.until(lambda: len(running.alerts()) == 1)

    _write(tmp_path, {**door, "zones": _EVERYWHERE}, {"name": "lab", "source": "lab.png"})
    _hang_up(running, outcome="applied", count=1)
    running.until(lambda: {alert.camera for alert in running.alerts()} == {"door", "lab"})

    path.write_text(path.read_text().replace('"source": "lab.png"', '"source": "lab.png", "x": 1'))
    _hang_up(running, outcome="refused", count=1)
    path.write_text(path.read_text().replace('"lab.png", "x": 1', '"gone.png"'))
    _hang_up(running, outcome="refused", count=2)
    frames = running.metric('camera_frames_total{camera="door"}')
    running.until(lambda: running.metric('camera_frames_total{camera="door"}') > frames + 3)

    assert running.stop() == 0
    assert [alert.camera for alert in running.alerts()].count("door") == 1
    (stay,) = _ended(running, "door")
    assert stay.violated
    reasons = [
        line["reason"]
        for line in running.lines
        if line.get("action") == "reload" and "reason" in line
    ]
    assert "cameras.yml:1: cameras.x" in reasons[0]
    assert "gone.png does not exist" in reasons[1]


def test_camera_that_is_taken_out_ends_and_one_with_another_source_keeps_its_people(
    service: Callable[..., Service], tmp_path: Path, door: dict[str, Any]
) -> None:
    _write(tmp_path, door, {**door, "name": "hall"})
    running = service(cameras=str(tmp_path / "cameras.yml"))
    running.log("listen")
    running.until(lambda: len(running.alerts()) == 2)

    _write(tmp_path, {**door, "fps": 5})
    _hang_up(running, outcome="applied", count=1)
    running.until(lambda: len(_ended(running, "hall")) == 1)
    frames = running.metric('camera_frames_total{camera="door"}')
    running.until(lambda: running.metric('camera_frames_total{camera="door"}') > frames + 8)

    assert _ended(running, "door") == []
    assert 'camera="hall"' not in "".join(
        line for line in running.get("/metrics")[1].splitlines() if "camera_up" in line
    )
    assert running.stop() == 0
    assert len(running.alerts()) == 2
    assert len(_ended(running, "door")) == 1


def test_ended_files_make_room_for_another_camera(
    service: Callable[..., Service], tmp_path: Path, astronaut: Picture, hopper: Picture
) -> None:
    assert cv2.imwrite(str(tmp_path / "door.png"), astronaut)
    assert cv2.imwrite(str(tmp_path / "lab.png"), hopper)
    door = {"name": "door", "source": "door.png"}
    running = service(cameras=str(_write(tmp_path, door)))
    running.log("end")

    _write(tmp_path, door, {"name": "lab", "source": "lab.png"})
    _hang_up(running, outcome="applied", count=1)
    running.until(lambda: {alert.camera for alert in running.alerts()} == {"door", "lab"})

    assert running.stop() == 0
    assert [alert.camera for alert in running.alerts()] == ["door", "lab"]
