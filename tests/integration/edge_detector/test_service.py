"""The service as a process: a picture in, a durable alert out."""

import json
import shutil
import signal
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any, Protocol

import cv2
import numpy as np
import psutil
import pytest
from edge_detector import __main__ as program
from edge_detector.device import clock
from edge_detector.settings import PACKAGED_CLASSIFIER, PACKAGED_MODEL
from edge_detector.vision.arrays import Picture
from maskwatch_proto.alert import ClockQuality, Label
from maskwatch_runtime.outbox.outbox import Outbox


class Service(Protocol):
    process: Any
    lines: list[dict[str, Any]]
    outbox_path: Path

    def log(self, action: str) -> dict[str, Any]: ...
    def wait(self) -> int: ...
    def stop(self) -> int: ...
    def get(self, path: str) -> tuple[int, str]: ...
    def metric(self, name: str) -> float: ...
    def until(self, condition: Callable[[], bool]) -> None: ...
    def alerts(self) -> list[Any]: ...
    def stored(self) -> list[Any]: ...


Start = Callable[..., Service]


def _write(path: Path, picture: Picture) -> Path:
    assert cv2.imwrite(str(path), picture)
    return path


@pytest.fixture
def portrait(tmp_path: Path, astronaut: Picture) -> Path:
    return _write(tmp_path / "portrait.png", astronaut)


def test_picture_of_a_person_without_a_mask_is_one_alert(service: Start, portrait: Path) -> None:
    running = service(portrait, exit_at_end="true", longitude="2.5", latitude="48.5")

    assert running.wait() == 0

    (alert,) = running.alerts()
    assert alert.label is Label.NO_MASK
    assert (alert.device.guid, alert.camera) == ("device-1", "door")
    assert (alert.location.longitude, alert.location.latitude) == (2.5, 48.5)
    judge = PACKAGED_CLASSIFIER or PACKAGED_MODEL
    assert alert.face_model.name == json.loads(PACKAGED_MODEL.read_text())["name"]
    assert alert.mask_model.name == json.loads(judge.read_text())["name"]
    assert alert.runtime.startswith("litert ")
    assert alert.sequence in {1, 2}  # the first heartbeat may come before it
    assert alert.event_id.version == 7
    is_in_sync = clock.read().is_in_sync
    assert alert.clock_quality is (
        ClockQuality.SYNCHRONISED if is_in_sync else ClockQuality.UNCERTAIN
    )
    evidence = cv2.imdecode(np.frombuffer(alert.image.data, np.uint8), cv2.IMREAD_COLOR)
    assert evidence.shape == (alert.image.height, alert.image.width, 3) == (512, 512, 3)
    box = alert.face_box
    assert 150 < box.left < 200
    assert 250 < box.right < 290


def test_person_in_a_video_is_one_alert(service: Start, clip: Path) -> None:
    running = service(clip, exit_at_end="true")

    assert running.wait() == 0

    assert [alert.label for alert in running.alerts()] == [Label.NO_MASK]


def test_two_starts_are_two_boots(service: Start, portrait: Path) -> None:
    for _ in range(2):
        assert service(portrait, exit_at_end="true").wait() == 0

    first, second = service(portrait, exit_at_end="true").alerts()
    assert first.boot_id != second.boot_id
    assert {first.sequence, second.sequence} <= {1, 2}


def test_broken_files_are_named_and_the_rest_is_judged(
    service: Start, tmp_path: Path, astronaut: Picture
) -> None:
    folder = tmp_path / "pictures"
    folder.mkdir()
    (folder / "a.jpg").touch()
    (folder / "b.jpg").write_bytes(b"no picture")
    _write(folder / "c.png", astronaut)

    running = service(folder, exit_at_end="true")

    assert running.wait() == 0
    skipped = [line["reason"] for line in running.lines if line.get("action") == "read"]
    assert ["a.jpg" in skipped[0], "b.jpg" in skipped[1], len(skipped)] == [True, True, 2]
    assert len(running.alerts()) == 1


def test_after_the_end_the_service_idles_ready_and_stops_when_told(
    service: Start, clip: Path
) -> None:
    running = service(clip)
    running.log("end")

    assert running.get("/health/live")[0] == 200
    assert running.get("/health/ready") == (200, '{"ready":true,"missing":{}}')
    assert running.metric("frames_total") + running.metric("frames_idle_total") == 30
    assert running.metric("alerts_stored_total") == 1
    assert running.stop() == 0


def test_sigterm_in_the_middle_of_a_loop_ends_with_everything_stored(
    service: Start, portrait: Path
) -> None:
    running = service(portrait, source_loop="true", source_paced="true", source_fps="20")
    running.log("listen")
    running.until(lambda: running.metric("alerts_stored_total") >= 5)

    assert running.stop() == 0

    stored = sum(line.get("action") == "store" for line in running.lines)
    events = running.stored()
    assert len(events) == stored >= 5
    assert [event.sequence for event in events] == [*range(1, len(events) + 1)]


def test_kill_9_loses_nothing_that_was_stored(service: Start, portrait: Path) -> None:
    running = service(portrait, source_loop="true")
    for _ in range(5):
        running.log("store")
    running.process.send_signal(signal.SIGKILL)
    running.process.wait()

    told = {line["event_id"] for line in running.lines if line.get("action") == "store"}
    assert told <= {str(event.event_id) for event in running.stored()}
    assert service(portrait, exit_at_end="true").wait() == 0


def test_full_disk_keeps_alerts_in_memory_and_recovers(service: Start, portrait: Path) -> None:
    """The kernel refuses every write to a file, as a full disk does, until it no longer does."""
    running = service(portrait, source_loop="true", source_paced="true", alerts_in_memory_max="3")
    running.log("store")
    process = psutil.Process(running.process.pid)
    _, hard = process.rlimit(psutil.RLIMIT_FSIZE)
    process.rlimit(psutil.RLIMIT_FSIZE, (1024, hard))
    running.until(lambda: running.metric("alerts_dropped_total") >= 2)

    assert running.get("/health/ready")[0] == 503
    assert "outbox" in running.get("/health/ready")[1]
    assert running.get("/health/live")[0] == 200
    frames = running.metric("frames_total")
    running.until(lambda: running.metric("frames_total") > frames + 5)

    process.rlimit(psutil.RLIMIT_FSIZE, (hard, hard))
    stored = running.metric("alerts_stored_total")
    running.until(lambda: running.metric("alerts_stored_total") > stored + 4)
    running.until(lambda: running.get("/health/ready")[0] == 200)
    assert running.stop() == 0

    dropped = sum(line.get("action") == "drop" for line in running.lines)
    sequences = [event.sequence for event in running.stored()]
    assert sequences == sorted(set(sequences))
    assert max(sequences) - len(sequences) == dropped >= 2


def test_outbox_locked_by_another_program_is_waited_for(
    service: Start, portrait: Path, tmp_path: Path
) -> None:
    Outbox.open(tmp_path / "outbox.db").close()
    other = sqlite3.connect(tmp_path / "outbox.db", isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    running = service(portrait, exit_at_end="true")
    running.process.stdout.readline()
    other.execute("COMMIT")
    other.close()

    assert running.wait() == 0
    assert len(running.alerts()) == 1


def test_alerts_that_cannot_be_stored_at_the_end_make_the_exit_code_say_so(
    service: Start, portrait: Path
) -> None:
    running = service(portrait, source_loop="true", source_paced="true")
    running.log("store")
    with closing(sqlite3.connect(running.outbox_path, timeout=30)) as other, other:
        other.execute(
            "CREATE TRIGGER refuse BEFORE INSERT ON alert"
            " BEGIN SELECT RAISE(FAIL, 'the disk is broken'); END"
        )
    running.until(lambda: running.metric("outbox_failures_total") >= 1)

    assert running.stop() == 70

    assert any(line.get("action") == "drop" for line in running.lines)


def test_video_that_cannot_be_read_is_not_ready(service: Start, tmp_path: Path) -> None:
    path = tmp_path / "broken.mp4"
    path.touch()
    running = service(path)
    running.log("end")

    running.until(lambda: "broken.mp4" in running.get("/health/ready")[1])
    assert running.get("/health/ready")[0] == 503
    assert running.get("/health/live")[0] == 200
    assert running.stop() == 0


def test_camera_that_is_not_there_is_waited_for(service: Start) -> None:
    running = service("99")
    running.log("listen")

    running.until(lambda: "camera 99 cannot be opened" in running.get("/health/ready")[1])
    assert running.get("/health/live")[0] == 200
    running.until(lambda: running.metric("camera_reconnects_total") >= 1)
    assert running.stop() == 0


@pytest.mark.parametrize(
    ("variables", "named"),
    [
        ({"source": "gone.mp4"}, "MASKWATCH_SOURCE: gone.mp4 does not exist"),
        ({"camera": "a\nb"}, "MASKWATCH_CAMERA"),
        ({"model": "gone.json"}, "MASKWATCH_MODEL: gone.json"),
        ({"outbox_path": "nowhere/outbox.db"}, "nowhere/outbox.db"),
        ({"admin_host": "256.0.0.1"}, "cannot listen on 256.0.0.1"),
    ],
)
def test_misconfigured_service_stops_and_says_what_is_wrong(
    service: Start, portrait: Path, variables: dict[str, str], named: str
) -> None:
    running = service(**{"source": str(portrait), **variables})

    assert running.wait() == 78
    assert named in running.lines[-1]["reason"]


def test_unreadable_source_ends_misconfigured_when_it_should_exit(
    service: Start, tmp_path: Path
) -> None:
    path = tmp_path / "broken.mp4"
    path.touch()
    running = service(path, exit_at_end="true")

    assert running.wait() == 78
    assert "no frame of" in running.lines[-1]["reason"]


def test_outbox_that_is_no_database_is_refused_and_left_alone(
    service: Start, portrait: Path, tmp_path: Path
) -> None:
    (tmp_path / "outbox.db").write_bytes(b"precious data, no database " * 50)
    running = service(portrait)

    assert running.wait() == 78
    assert (tmp_path / "outbox.db").read_bytes() == b"precious data, no database " * 50


@pytest.mark.parametrize("change", ["cut", "other"])
def test_model_that_is_not_the_manifests_is_refused(
    service: Start, portrait: Path, tmp_path: Path, change: str
) -> None:
    manifest = shutil.copy(PACKAGED_MODEL, tmp_path)
    file = tmp_path / json.loads(PACKAGED_MODEL.read_text())["file"]
    data = (PACKAGED_MODEL.parent / file.name).read_bytes()
    file.write_bytes(data[:-1] if change == "cut" else data[:-1] + b"\x00\x00")
    running = service(portrait, model=str(manifest))

    assert running.wait() == 78
    assert file.name in running.lines[-1]["reason"]


def test_predict_writes_what_the_service_sees(portrait: Path, tmp_path: Path) -> None:
    out = tmp_path / "predictions.jsonl"

    code = program.main(
        ["predict", "--images", str(portrait), "--out", str(out), "--min-score", "0.05"]
    )

    (line,) = [json.loads(text) for text in out.read_text().splitlines()]
    assert code == 0
    assert line["file"] == portrait.as_posix()
    best = line["boxes"][0]
    assert best["label"] == "no_mask"
    assert 0.05 <= line["boxes"][-1]["score"] <= best["score"] <= 1


def test_predict_on_nothing_is_misconfigured(tmp_path: Path) -> None:
    words = ["predict", "--images", str(tmp_path / "gone.png"), "--out", str(tmp_path / "o")]

    assert program.main(words) == 78
