"""How long each model takes on this machine, for choosing one."""

import argparse
import statistics
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from maskwatch_runtime.errors import Misconfigured

from edge_detector.sources import files
from edge_detector.sources.base import UnreadablePicture
from edge_detector.vision import classifier, model
from edge_detector.vision import manifest as manifests
from edge_detector.vision.arrays import Picture
from edge_detector.vision.classifier import Classifier
from edge_detector.vision.detector import Detector
from edge_detector.vision.model import Model

_WARM_UP = 3
_FACE_SHARE = 0.25  # of the frame's height: a person at a door


@dataclass(frozen=True, slots=True)
class Spent:
    """Median milliseconds a frame, or a face, of each stage; `stages` names them in order."""

    name: str
    stages: tuple[str, ...]
    ms: tuple[float, ...]

    @property
    def text(self) -> str:
        told = "  ".join(
            f"{stage} {ms:6.2f}" for stage, ms in zip(self.stages, self.ms, strict=True)
        )
        return f"{self.name:40} {sum(self.ms):7.2f} ms   {told}"


@dataclass(frozen=True, slots=True)
class Timed:
    """What is measured: `call` does it once and returns the seconds of each stage."""

    name: str
    stages: tuple[str, ...]
    call: Callable[[], tuple[float, ...]]


def add_arguments(parser: argparse.ArgumentParser, *, models_default: Path) -> None:
    """Add the options of `bench`."""
    parser.add_argument(
        "--models",
        type=Path,
        default=models_default,
        metavar="DIR",
        help="every manifest in the folder is measured; by default the packaged ones",
    )
    parser.add_argument("--image", type=Path, help="by default a drawn frame of 1280 x 720")
    parser.add_argument("--frames", type=_positive, default=50, help="(%(default)s)")
    parser.add_argument("--runtime", choices=("auto", "litert", "tflite-runtime"), default="auto")
    parser.add_argument("--threads", type=_positive, default=1)


def run(arguments: argparse.Namespace) -> int:
    """Print a line a model; return 0.

    Raises:
        Misconfigured: The picture or a model cannot be used, or the folder holds none.
    """
    frame = _frame(arguments.image)
    detectors, classifiers = _loaded(arguments)
    height, width = frame.shape[:2]
    runtime = [one.runtime for one in detectors] + [one.runtime for one in classifiers]
    _tell(f"{runtime[0]}, threads: {arguments.threads}, frame {width} x {height}; medians")
    timed = [_of_frame(one, frame) for one in detectors]
    timed += [_of_face(one, frame) for one in classifiers]
    for spent in measure(timed, frames=arguments.frames):
        _tell(spent.text)
    return 0


def measure(timed: Sequence[Timed], *, frames: int) -> list[Spent]:
    """Return the medians of each model; they take turns, so that all share the machine's moods."""
    rows: list[list[tuple[float, ...]]] = [[] for _ in timed]
    for number in range(_WARM_UP + frames):
        for row, one in zip(rows, timed, strict=True):
            seconds = one.call()
            if number >= _WARM_UP:
                row.append(seconds)
    return [
        Spent(one.name, one.stages, _medians_ms(row)) for row, one in zip(rows, timed, strict=True)
    ]


def _medians_ms(row: Sequence[tuple[float, ...]]) -> tuple[float, ...]:
    return tuple(1000 * statistics.median(stage_s) for stage_s in zip(*row, strict=True))


def _of_frame(loaded: Model, frame: Picture) -> Timed:
    detector, letterbox = Detector(loaded), loaded.letterbox()
    size_wh = (frame.shape[1], frame.shape[0])

    def call() -> tuple[float, ...]:
        begin_s = time.perf_counter()
        picture, scale = letterbox.fit(frame)
        fitted_s = time.perf_counter()
        outputs = loaded.invoke(picture)
        invoked_s = time.perf_counter()
        detector.read(outputs, scale=scale, size_wh=size_wh)
        return fitted_s - begin_s, invoked_s - fitted_s, time.perf_counter() - invoked_s

    return Timed(loaded.manifest.name, ("letterbox", "invoke", "decode"), call)


def _of_face(loaded: Classifier, frame: Picture) -> Timed:
    height, width = frame.shape[:2]
    half_px = height * _FACE_SHARE / 2
    middle = np.array([width / 2, height / 2] * 2, np.float32)
    box = middle + np.array([-half_px, -half_px, half_px, half_px], np.float32)

    def call() -> tuple[float, ...]:
        begin_s = time.perf_counter()
        loaded.judge(frame, box[None])
        return (time.perf_counter() - begin_s,)

    return Timed(loaded.manifest.name, ("a face",), call)


def _loaded(arguments: argparse.Namespace) -> tuple[list[Model], list[Classifier]]:
    folder, how = arguments.models, {"runtime": arguments.runtime, "threads": arguments.threads}
    detectors = manifests.found_in(folder, task="face_mask_detector")
    classifiers = manifests.found_in(folder, task="mask_classifier")
    if not detectors and not classifiers:
        raise Misconfigured(f"--models: the folder {folder} holds no manifest")
    return (
        [model.load(path, **how) for path in detectors],
        [classifier.load(path, **how) for path in classifiers],
    )


def _frame(path: Path | None) -> Picture:
    if path is not None:
        try:
            return files.read_picture(path)
        except UnreadablePicture as error:
            raise Misconfigured(f"--image: {error}") from error
    # Shading with grain: what a camera sees of a wall; the models' time hardly depends on it.
    grain = np.random.default_rng(1).normal(0, 8, (720, 1280, 3))
    wall = np.linspace(60, 180, 1280)[None, :, None] + grain
    return np.asarray(cv2.GaussianBlur(wall.clip(0, 255).astype(np.uint8), (3, 3), 0), np.uint8)


def _tell(text: str) -> None:
    print(text)  # noqa: T201 - a person waits at the terminal


def _positive(text: str) -> int:
    number = int(text)
    if number < 1:
        raise argparse.ArgumentTypeError("has to be at least 1")
    return number
