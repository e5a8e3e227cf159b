"""Public-domain portraits, and the service as a process of its own."""

import json
import os
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt
import pytest
import skimage.data
from maskwatch_proto import contract, event_contract
from maskwatch_proto.alert import Alert
from maskwatch_proto.device_event import CameraChanged, CameraState, DeviceEvent
from maskwatch_runtime.outbox.outbox import Outbox
from maskwatch_runtime.outbox.rows import ALERT, Wire
from matplotlib import cbook

_GIVE_UP_S = 120.0
Picture = npt.NDArray[np.uint8]


class Service:
    """`python -m edge_detector run` with these variables."""

    def __init__(self, folder: Path, variables: dict[str, str]) -> None:
        self.outbox_path = folder / "outbox.db"
        settings = {
            "MASKWATCH_DEVICE_GUID": "device-1",
            "MASKWATCH_CAMERA": "door",
            "MASKWATCH_OUTBOX_PATH": str(self.outbox_path),
            "MASKWATCH_SOURCE_PACED": "false",
            **variables,
        }
        # The log goes to a pipe, so that a limit on the size of files does not touch it.
        self.process = subprocess.Popen(
            [sys.executable, "-m", "edge_detector", "run"],
            env={**os.environ, **settings},
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
        )
        self.lines: list[dict[str, Any]] = []

    def log(self, action: str) -> dict[str, Any]:
        """Return the next line of the log with this action."""
        assert self.process.stdout is not None
        for text in self.process.stdout:
            self.lines.append(json.loads(text))
            if self.lines[-1].get("action") == action:
                return self.lines[-1]
        pytest.fail(f"no {action} in {self.lines}")

    def wait(self) -> int:
        """Return the exit code."""
        output, _ = self.process.communicate(timeout=_GIVE_UP_S)
        self.lines += [json.loads(line) for line in output.splitlines()]
        return self.process.returncode

    def stop(self) -> int:
        self.process.terminate()
        return self.wait()

    def get(self, path: str) -> tuple[int, str]:
        """Return status and body of the admin port."""
        port = next(line["port"] for line in self.lines if line.get("action") == "listen")
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{port}{path}", timeout=10) as answer:
                return answer.status, answer.read().decode()
        except urllib.error.HTTPError as error:
            return error.code, error.read().decode()

    def metric(self, name: str) -> float:
        _, text = self.get("/metrics")
        values = [
            float(line.split()[-1])
            for line in text.splitlines()
            if line.startswith(f"edge_detector_{name}")
        ]
        return sum(values)

    def until(self, condition: Callable[[], bool]) -> None:
        deadline_s = time.monotonic() + _GIVE_UP_S
        while not condition():
            assert time.monotonic() < deadline_s, self.lines
            time.sleep(0.02)  # between two looks, not a guess how long it takes

    def stored(self) -> list[Alert | DeviceEvent]:
        """Return what the outbox holds, in order."""
        outbox = Outbox.open(self.outbox_path)
        rows = outbox.pending(after=0, limit=100_000, size_bytes_max=10**10)
        outbox.close()
        wires = [row.wire for row in rows if isinstance(row.wire, Wire)]
        return [
            (contract if wire.kind == ALERT else event_contract).decode(wire.value)
            for wire in wires
        ]

    def alerts(self) -> list[Alert]:
        """Return the alerts that the outbox holds, in order."""
        return [event for event in self.stored() if isinstance(event, Alert)]

    def changes(self) -> list[tuple[str, CameraState]]:
        """Return which camera went down or up, in order."""
        return [
            (event.camera, event.happening.state)
            for event in self.stored()
            if isinstance(event, DeviceEvent) and isinstance(event.happening, CameraChanged)
        ]

    def end(self) -> None:
        if self.process.poll() is None:
            self.process.kill()
        self.process.communicate()


@pytest.fixture
def service(tmp_path: Path) -> Iterator[Callable[..., Service]]:
    started: list[Service] = []

    def start(source: Path | str | None = None, **variables: str) -> Service:
        named = {f"MASKWATCH_{name.upper()}": value for name, value in variables.items()}
        if source is not None:
            named["MASKWATCH_SOURCE"] = str(source)
        started.append(Service(tmp_path, named))
        return started[-1]

    yield start
    for one in started:
        one.end()


@pytest.fixture(scope="session")
def astronaut() -> Picture:
    """Eileen Collins, 512 x 512, BGR; the face fills about 83 x 100 px."""
    return np.ascontiguousarray(skimage.data.astronaut()[..., ::-1])  # type: ignore[no-untyped-call]


@pytest.fixture(scope="session")
def hopper() -> Picture:
    """Grace Hopper, 512 x 600, BGR; the face fills about 177 x 208 px."""
    path = cbook.get_sample_data("grace_hopper.jpg", asfileobj=False)
    return np.asarray(cv2.imread(str(path)), np.uint8)


@pytest.fixture
def clip(tmp_path: Path, astronaut: Picture) -> Path:
    """Three seconds at 10 frames a second: the astronaut moves slowly, then is gone."""
    path = tmp_path / "clip.avi"
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter.fourcc(*"MJPG"), 10, (512, 512))
    for number in range(24):
        writer.write(np.roll(astronaut, 3 * number, axis=1))
    for _ in range(6):
        writer.write(np.full((512, 512, 3), 90, np.uint8))
    writer.release()
    return path
