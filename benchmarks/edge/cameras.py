"""Four cameras of 1280 x 720 at one detector: one is killed, one freezes, one stalls, in turn.

`python -m benchmarks.edge.cameras [--fps 2] [--seconds 30]`. The two that are left alone have to
keep their frame rates; each fault has to be told once, and its end once.
"""

import argparse
import json
import os
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
import urllib.request
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import psutil
from maskwatch_proto import event_contract
from maskwatch_proto.device_event import CameraChanged, CameraState
from maskwatch_runtime.outbox.outbox import Outbox
from maskwatch_runtime.outbox.rows import ALERT, Wire

from benchmarks.bars import Bar, at_least, at_most, report

_RATE_SHARE_MIN = 0.95
_GIVE_UP_S = 180.0
_ALONE = ("a", "b")
_FAULTS = 3


class Server:
    """One camera, a process.

    Args:
        options: Of `camera_server`.
    """

    def __init__(self, *options: str) -> None:
        self._options = options
        with socket.create_server(("127.0.0.1", 0)) as listener:
            self.port = int(listener.getsockname()[1])
        self.start()

    def start(self) -> None:
        self._process = subprocess.Popen(
            [
                *(sys.executable, "-m", "benchmarks.edge.camera_server"),
                *(str(self.port), *self._options),
            ],
            stdout=subprocess.PIPE,
            text=True,
        )
        assert self._process.stdout is not None
        assert self._process.stdout.readline() == "listening\n"

    def signal(self, number: signal.Signals) -> None:
        self._process.send_signal(number)

    def kill(self) -> None:
        self._process.kill()
        self._process.communicate()


class Detector:
    """The service as a process.

    Args:
        folder: Takes its files.
        plans: What cameras.yml says of each camera.
        variables: Of its environment, beside ours.
    """

    def __init__(
        self,
        folder: Path,
        plans: Sequence[Mapping[str, object]],
        variables: Mapping[str, str] | None = None,
    ) -> None:
        (folder / "cameras.yml").write_text(json.dumps({"cameras": list(plans)}), encoding="utf-8")
        self.outbox_path = folder / "outbox.db"
        self.process = subprocess.Popen(
            [sys.executable, "-m", "edge_detector", "run"],
            env={
                **os.environ,
                "MASKWATCH_CAMERAS": str(folder / "cameras.yml"),
                "MASKWATCH_DEVICE_GUID": "bench",
                "MASKWATCH_OUTBOX_PATH": str(self.outbox_path),
                **(variables or {}),
            },
            stdout=subprocess.PIPE,
            text=True,
        )
        assert self.process.stdout is not None
        listening = next(line for line in self.process.stdout if '"action": "listen"' in line)
        self._port = json.loads(listening)["port"]
        threading.Thread(target=self.process.stdout.read, daemon=True).start()

    def values(self, name: str) -> dict[str, float]:
        """Return a metric by camera."""
        begin = f'edge_detector_{name}{{camera="'
        found = [line.removeprefix(begin) for line in self._lines() if line.startswith(begin)]
        return {line.split('"')[0]: float(line.split()[-1]) for line in found}

    def total(self, name: str) -> float:
        """Return a metric, summed over its labels."""
        begins = (f"edge_detector_{name} ", f"edge_detector_{name}{{")
        return sum(float(line.split()[-1]) for line in self._lines() if line.startswith(begins))

    def _lines(self) -> list[str]:
        address = f"http://127.0.0.1:{self._port}/metrics"
        with urllib.request.urlopen(address, timeout=30) as answer:
            text: str = answer.read().decode()
        return text.splitlines()

    def until_up(self, names: set[str]) -> None:
        """Wait until exactly these cameras are up."""
        deadline_s = time.monotonic() + _GIVE_UP_S
        while {name for name, up in self.values("camera_up").items() if up} != names:
            assert time.monotonic() < deadline_s, self.values("camera_up")
            time.sleep(0.5)

    def changes(self) -> Counter[CameraState]:
        """Return how often a camera was told to be down, and up."""
        outbox = Outbox.open(self.outbox_path)
        rows = outbox.pending(after=0, limit=10_000, size_bytes_max=10**9)
        outbox.close()
        wires = [row.wire for row in rows if isinstance(row.wire, Wire)]
        told = [event_contract.decode(wire.value).happening for wire in wires if wire.kind != ALERT]
        changes = [one for one in told if isinstance(one, CameraChanged)]
        # An "up" without an outage says that the camera works after a start.
        return Counter(
            one.state for one in changes if one.state is CameraState.DOWN or one.down_s > 0
        )


@dataclass(frozen=True, slots=True)
class Phase:
    """What happened while one camera was at fault: frames a second of each."""

    name: str
    fps: dict[str, float]

    @property
    def least(self) -> float:
        return min(self.fps[name] for name in _ALONE)


def main() -> int:
    """Measure and print; return 1 when a bar was missed."""
    parser = argparse.ArgumentParser(prog="benchmarks.edge.cameras", description=__doc__)
    parser.add_argument("--fps", type=float, default=2.0, help="of each camera (%(default)s)")
    parser.add_argument("--seconds", type=float, default=30.0, help="of a fault (%(default)s)")
    chosen = parser.parse_args()
    servers = {name: Server() for name in "abcd"}
    try:
        with tempfile.TemporaryDirectory(prefix="maskwatch-") as folder:
            kept = _measured(Path(folder), servers, fps=chosen.fps, seconds=chosen.seconds)
    finally:
        for server in servers.values():
            server.kill()
    return 0 if report("edge-cameras", kept) else 1


def _measured(folder: Path, servers: dict[str, Server], *, fps: float, seconds: float) -> list[Bar]:
    plans: list[dict[str, object]] = [
        {"name": name, "source": f"http://127.0.0.1:{server.port}/", "fps": fps}
        for name, server in servers.items()
    ]
    detector = Detector(folder, plans)
    try:
        detector.until_up(set(servers))
        before = _watched("no fault", detector, seconds, lambda: None)
        during = _faults(detector, servers, seconds)
        readers = [child.memory_info().rss for child in _children(detector)]
        rss = psutil.Process(detector.process.pid).memory_info().rss
    finally:
        detector.process.terminate()
        detector.process.wait()
    told = detector.changes()
    share = min(phase.fps[name] / before.fps[name] for phase in during for name in _ALONE)
    return [
        Bar("frames of each camera, no fault", before.least, "frames/s"),
        *[Bar(f"the same, one {phase.name}", phase.least, "frames/s") for phase in during],
        at_least("least share of a camera's rate kept", share, _RATE_SHARE_MIN, unit="1"),
        at_most("camera_down for three faults", told[CameraState.DOWN], _FAULTS, unit="1"),
        at_least(
            "camera_down for three faults, at least", told[CameraState.DOWN], _FAULTS, unit="1"
        ),
        at_most("camera_up after three faults", told[CameraState.UP], _FAULTS, unit="1"),
        at_least("camera_up after three faults, at least", told[CameraState.UP], _FAULTS, unit="1"),
        Bar("service without readers", rss / 1e6, "MB"),
        Bar("each reader", sum(readers) / len(readers) / 1e6, "MB"),
    ]


def _faults(detector: Detector, servers: dict[str, Server], seconds: float) -> list[Phase]:
    everyone = set(servers)
    killed, frozen = servers["c"], servers["d"]
    phases = [_watched("killed", detector, seconds, killed.kill)]
    killed.start()
    detector.until_up(everyone)
    phases.append(_watched("frozen", detector, seconds, lambda: frozen.signal(signal.SIGUSR1)))
    frozen.signal(signal.SIGUSR2)
    detector.until_up(everyone)
    phases.append(_watched("stalled", detector, seconds, lambda: killed.signal(signal.SIGSTOP)))
    killed.signal(signal.SIGCONT)
    detector.until_up(everyone)
    return phases


def _watched(name: str, detector: Detector, seconds: float, fault: Callable[[], None]) -> Phase:
    fault()
    begin_s, before = time.monotonic(), detector.values("camera_frames_total")
    time.sleep(seconds)
    after = detector.values("camera_frames_total")
    spent_s = time.monotonic() - begin_s
    fps = {camera: (after[camera] - before[camera]) / spent_s for camera in after}
    print(name, {camera: round(rate, 2) for camera, rate in fps.items()}, flush=True)
    return Phase(name, fps)


def _children(detector: Detector) -> list[psutil.Process]:
    return psutil.Process(detector.process.pid).children()


if __name__ == "__main__":
    sys.exit(main())
