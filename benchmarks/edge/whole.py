"""`python -m benchmarks.edge.whole`: what the whole detector takes at 5 frames a second of 720p.

The service as a process with its defaults, and the reader that it starts for a network camera.
The camera is a process of its own and shows either nobody, or five people who move.
"""

import argparse
import os
import statistics
import sys
import tempfile
import time
from dataclasses import dataclass, field
from pathlib import Path

import psutil

from benchmarks import bars
from benchmarks.bars import Bar, at_least, at_most
from benchmarks.edge.cameras import Detector, Server

_FPS = 5.0
_CAMERA = "door"
_WARM_UP_S = 10.0
_SAMPLE_S = 0.5
_SHARE_MAX = 0.4
# Of the frames that the camera gave.
_KEPT_MIN = 0.95


@dataclass
class Taken:
    """What a scene took, of the detector and its reader together.

    Attributes:
        cpu: Processor time beside the clock's: 1 is one core.
        fps: Frames taken up a second.
        idle: The share of them in which nothing moved.
        faces: Found a second.
        rss_mb: Resident sets, MB (10^6 bytes), twice a second.
        reader_mb: The reader's part of the last of them.
    """

    cpu: float = 0.0
    fps: float = 0.0
    idle: float = 0.0
    faces: float = 0.0
    rss_mb: list[float] = field(default_factory=list)
    reader_mb: float = 0.0


def measure(*, seconds: float, camera_fps: float) -> list[Bar]:
    """Return what both scenes took, and the idle one beside the busy one."""
    idle, busy = (_taken(scene, seconds, camera_fps) for scene in ("idle", "busy"))
    return [
        *_bars("nobody", idle),
        *_bars("five faces", busy),
        Bar("five faces: found a second", busy.faces, "faces/s"),
        at_most("CPU, nobody beside five faces", idle.cpu / busy.cpu, _SHARE_MAX, unit="share"),
    ]


def _bars(scene: str, taken: Taken) -> list[Bar]:
    return [
        Bar(f"{scene}: CPU of one core", 100 * taken.cpu, "%"),
        Bar(f"{scene}: CPU of the machine", 100 * taken.cpu / (os.cpu_count() or 1), "%"),
        Bar(f"{scene}: RSS, mean", statistics.fmean(taken.rss_mb), "MB"),
        Bar(f"{scene}: RSS, peak", max(taken.rss_mb), "MB"),
        Bar(f"{scene}: of it the camera's reader", taken.reader_mb, "MB"),
        at_least(f"{scene}: frames kept", taken.fps, _KEPT_MIN * _FPS, unit="frames/s"),
        Bar(f"{scene}: of them nothing moved in", taken.idle, "share"),
    ]


def _taken(scene: str, seconds: float, camera_fps: float) -> Taken:
    camera = Server("--scene", scene, "--fps", str(camera_fps))
    plan = {"name": _CAMERA, "source": f"http://127.0.0.1:{camera.port}/", "fps": _FPS}
    try:
        with tempfile.TemporaryDirectory(prefix="maskwatch-") as folder:
            detector = Detector(Path(folder), [plan])
            try:
                detector.until_up({_CAMERA})
                time.sleep(_WARM_UP_S)
                return _watched(detector, seconds)
            finally:
                detector.process.terminate()
                detector.process.wait()
    finally:
        camera.kill()


def _watched(detector: Detector, seconds: float) -> Taken:
    """Look at the processes for so long.

    Raises:
        RuntimeError: The reader was replaced meanwhile: its processor time would be missing.
    """
    service = psutil.Process(detector.process.pid)
    processes = [service, *service.children(recursive=True)]
    taken, before, counted = Taken(), _cpu_s(processes), _counts(detector)
    began_s = time.monotonic()
    while time.monotonic() - began_s < seconds:
        time.sleep(_SAMPLE_S)
        sizes_mb = [process.memory_info().rss / 1e6 for process in processes]
        taken.rss_mb.append(sum(sizes_mb))
        taken.reader_mb = sum(sizes_mb[1:])
    spent_s = time.monotonic() - began_s
    if service.children(recursive=True) != processes[1:]:
        raise RuntimeError("the camera's reader was replaced while it was measured")
    taken.cpu = (_cpu_s(processes) - before) / spent_s
    frames, idle, faces = (
        after - former for after, former in zip(_counts(detector), counted, strict=True)
    )
    taken.fps, taken.idle, taken.faces = frames / spent_s, idle / frames, faces / spent_s
    return taken


def _cpu_s(processes: list[psutil.Process]) -> float:
    times = [process.cpu_times() for process in processes]
    return sum(each.user + each.system for each in times)


def _counts(detector: Detector) -> tuple[float, float, float]:
    """Return the frames taken up, those of them in which nothing moved, and the faces found."""
    frames = detector.values("camera_frames_total")[_CAMERA]
    return frames, detector.total("frames_idle_total"), detector.total("faces_total")


def main() -> int:
    """Measure, print, and return 1 when a bar was missed."""
    parser = argparse.ArgumentParser(prog="benchmarks.edge.whole", description=__doc__)
    parser.add_argument("--seconds", type=float, default=60.0, help="of a scene (%(default)s)")
    parser.add_argument(
        "--camera-fps", type=float, default=_FPS, help="that the camera gives (%(default)s)"
    )
    chosen = parser.parse_args()
    measured = measure(seconds=chosen.seconds, camera_fps=chosen.camera_fps)
    return 0 if bars.report("edge-whole", measured) else 1


if __name__ == "__main__":
    sys.exit(main())
