"""The web server in a process of its own, with synthetic cameras before the real detector.

`python -m benchmarks.edge.web_service --cameras 4`; settings come from the environment. Each
camera gives frames of 1280 x 720 in which people walk; one thread judges them in turn, as the
service does.
"""

import argparse
import asyncio
import itertools
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial

import cv2
import numpy as np
from edge_detector.people import tracker
from edge_detector.settings import PACKAGED_CLASSIFIER, PACKAGED_MODEL
from edge_detector.vision import classifier, manifest, model
from edge_detector.vision.arrays import Picture
from edge_detector.vision.detector import Detector
from edge_detector.vision.faces import Faces
from edge_detector.web import predict, server
from edge_detector.web.board import Board, Episode, Shown, ShownFace, State
from edge_detector.web.judges import Judges
from edge_detector.web.settings import WebSettings
from maskwatch_proto.alert import Label
from maskwatch_runtime import lifecycle, logs
from maskwatch_runtime import settings as environment
from maskwatch_runtime.clock import SystemClock

from devstack import portraits

_SIZE_HW = (720, 1280)
_NAMES = ("Airlock", "Filling line 2", "Changing room", "Loading bay")
# Of each camera, shown again and again: 2.8 MB each.
_FRAMES = 12
_STATS_CAMERA = "Changing room"


@dataclass(frozen=True)
class Options:
    """How many cameras, frames a second of each, and whether one of them keeps its pictures."""

    cameras: int
    fps: float
    has_stats: bool


class Stations:
    """Cameras that a person may stop and start."""

    def __init__(self, shown: Board) -> None:
        self._board = shown
        self._stopped: set[str] = set()

    def start(self, camera: str) -> None:
        self._stopped.remove(camera)

    def stop(self, camera: str) -> None:
        if camera not in _NAMES:
            raise LookupError(camera)
        self._stopped.add(camera)
        self._board.state(camera, State.STOPPED)

    def is_running(self, camera: str) -> bool:
        return camera not in self._stopped


def frames(number: int) -> Iterator[Picture]:
    """Yield frames without end: two people cross before a wall."""
    rng = np.random.default_rng(number)
    rough = rng.integers(110, 150, (9, 16, 3), np.uint8)
    wall = np.asarray(cv2.resize(rough, _SIZE_HW[::-1], interpolation=cv2.INTER_CUBIC), np.uint8)
    people = [portraits.eileen_collins().scaled(0.8), portraits.grace_hopper().scaled(0.5)]
    for step in itertools.count():
        frame = wall.copy()
        for index, person in enumerate(people):
            height, width = person.picture.shape[:2]
            x = (120 + 500 * index + (2 * index - 1) * -12 * step) % (_SIZE_HW[1] - width)
            top = _SIZE_HW[0] - height
            place = frame[top : top + height, x : x + width]
            place[:] = place * (1 - person.alpha) + person.picture * person.alpha
        yield frame


def shipped() -> Detector:
    """Return the packaged detector with the packaged classifier behind it."""
    second = None if PACKAGED_CLASSIFIER is None else classifier.load(PACKAGED_CLASSIFIER)
    return Detector(model.load(PACKAGED_MODEL), classifier=second)


def watch(shown: Board, stations: Stations, options: Options, halt: threading.Event) -> None:
    """Judge the cameras' frames in turn until `halt` is set."""
    clock = SystemClock()
    detector = shipped()
    # Made before the clock runs: drawing people is no part of what is measured.
    loops = [list(itertools.islice(frames(number), _FRAMES)) for number in range(options.cameras)]
    tracks = [tracker.Tracks() for _ in loops]
    begin_s = clock.monotonic_s()
    for turn in itertools.count():
        for number, loop in enumerate(loops):
            due_s = begin_s + (turn + number / len(loops)) / options.fps
            if halt.wait(max(0.0, due_s - clock.monotonic_s())):
                return
            name = _NAMES[number]
            if not stations.is_running(name):
                continue
            taken_at, frame = clock.now(), loop[turn % len(loop)]
            judged_s = clock.monotonic_s()
            faces = detector.detect(frame)
            inference_ms = 1000 * (clock.monotonic_s() - judged_s)
            tracks[number] = tracker.update(
                tracks[number], faces.xyxy_px, at_s=judged_s, rules=tracker.Rules()
            )
            numbers = {track.face: track.number for track in tracks[number].live}
            shown.publish(
                name,
                Shown(
                    partial(
                        _treated, frame, is_withheld=options.has_stats and name == _STATS_CAMERA
                    ),
                    (frame.shape[1], frame.shape[0]),
                    tuple(
                        ShownFace(tuple(box), label, float(shares.max()), numbers.get(index))
                        for index, (box, label, shares) in enumerate(
                            zip(
                                faces.xyxy_px.tolist(),
                                faces.labels,
                                faces.probabilities,
                                strict=True,
                            )
                        )
                    ),
                    taken_at,
                    inference_ms,
                ),
            )
            if turn == 3 and number < 3:
                _tell(shown, name, frame, faces)


def _treated(frame: Picture, *, is_withheld: bool) -> Picture | None:
    return None if is_withheld else frame


def _tell(shown: Board, name: str, frame: Picture, faces: Faces) -> None:
    if Label.NO_MASK not in faces.labels:
        return
    box = faces.xyxy_px[faces.labels.index(Label.NO_MASK)]
    left, top, right, bottom = (int(side) for side in box)
    shown.episode(
        Episode(
            id=f"{name}-1",
            camera=name,
            label=Label.NO_MASK,
            begun_at=SystemClock().now(),
            thumbnail_bgr=None if name == _STATS_CAMERA else frame[top:bottom, left:right],
        )
    )


async def serve(settings: WebSettings, options: Options, stop: asyncio.Event) -> None:
    """Run until `stop` is set."""
    clock = SystemClock()
    shown = Board(_NAMES[: options.cameras], clock)
    stations = Stations(shown)
    detectors = [shipped() for _ in range(settings.predict_workers)]
    judges = Judges(detectors, queue_max=settings.predict_queue_max)
    found = model.load(PACKAGED_MODEL)
    second = None if PACKAGED_CLASSIFIER is None else manifest.read_classifier(PACKAGED_CLASSIFIER)
    about = predict.About(found.manifest, second, found.runtime)
    app = server.application(settings, server.Parts(judges, about, shown, clock, stations))
    halt = threading.Event()
    cameras = asyncio.to_thread(watch, shown, stations, options, halt)
    watching = asyncio.create_task(cameras if options.cameras else stop.wait())
    try:
        await server.serve(app, settings, stop=stop)
    finally:
        halt.set()
        await watching
        judges.close()


def main() -> int:
    """Serve until SIGTERM."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--cameras", type=int, default=0, choices=range(len(_NAMES) + 1))
    parser.add_argument("--fps", type=float, default=5.0)
    parser.add_argument("--stats", action="store_true", help="one camera shows no pixel")
    chosen = parser.parse_args()
    logs.configure("web_service", level="info")
    settings = environment.load(WebSettings)
    options = Options(chosen.cameras, chosen.fps, chosen.stats)
    return lifecycle.run(
        lambda stop: serve(settings, options, stop), shutdown_s=settings.shutdown_s
    )


if __name__ == "__main__":
    raise SystemExit(main())
