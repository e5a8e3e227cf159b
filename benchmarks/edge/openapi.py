"""`python -m benchmarks.edge.openapi`: the answers to what the OpenAPI text allows, and forbids.

schemathesis asks every route of the real service; no answer may be a 5xx. One camera takes posted
frames, so that requests come as far as its decoder; some pictures are cut off or overwritten.
"""

import argparse
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import schemathesis
from hypothesis import HealthCheck, Phase
from hypothesis import given as hypothesis_given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from schemathesis import GenerationMode

from benchmarks import bars
from benchmarks.bars import Bar, at_least, at_most
from benchmarks.edge.cameras import Detector
from benchmarks.edge.predict import TOKEN, photo
from devstack import ports

CAMERA = "door"
MODES = (GenerationMode.POSITIVE, GenerationMode.NEGATIVE)
_START_S = 60.0
_FRAMES = "/v1/cameras/{camera}/frames"
Check = Callable[..., bool | None]


@dataclass(frozen=True, slots=True)
class Asking:
    """Who is asked, and how much.

    Attributes:
        camera: One that takes frames.
        examples: For each route and mode.
        checks: Of schemathesis, for each answer; one that fails is an exception.
    """

    url: str
    token: str
    camera: str
    examples: int
    checks: Sequence[Check] = ()

    @property
    def headers(self) -> dict[str, str]:
        return {"Authorization": f"Bearer {self.token}"}

    def paths(self) -> list[str]:
        """Return the routes that the text names."""
        return list(self._text()["paths"])

    def statuses(self, path: str, mode: GenerationMode) -> Counter[int]:
        """Ask one route and return how often it answered what."""
        operation = schemathesis.openapi.from_dict(self._text())[path]["POST"]
        counted: Counter[int] = Counter()

        @hypothesis_settings(
            max_examples=self.examples,
            deadline=None,
            phases=[Phase.explicit, Phase.generate],
            suppress_health_check=list(HealthCheck),
            derandomize=True,
            database=None,
        )
        @hypothesis_given(case=operation.as_strategy(generation_mode=mode), other=_others())
        def ask(case: schemathesis.Case[Any], other: Other) -> None:
            if path == _FRAMES and other.is_to_camera:
                case.path_parameters = {"camera": self.camera}
            if path == _FRAMES and other.body is not None:
                case.body, case.media_type = other.body, "image/jpeg"
            answer = case.call(base_url=self.url, headers=self.headers)
            counted[answer.status_code] += 1
            if self.checks:
                case.validate_response(answer, checks=list(self.checks))

        ask()
        return counted

    def _text(self) -> dict[str, Any]:
        answer = httpx.get(f"{self.url}/openapi.json", headers=self.headers)
        text: dict[str, Any] = answer.raise_for_status().json()
        return text


@dataclass(frozen=True, slots=True)
class Other:
    """What is put in the place of what schemathesis made for the route of frames.

    A name that is made up is hardly ever a camera's, and the pictures that it makes are whole.
    """

    is_to_camera: bool
    body: bytes | None


def _others() -> st.SearchStrategy[Other]:
    jpeg = photo((320, 240))
    cut = st.integers(1, len(jpeg)).map(lambda end: jpeg[:end])
    overwritten = st.tuples(st.integers(0, len(jpeg)), st.binary(min_size=1, max_size=64)).map(
        lambda change: jpeg[: change[0]] + change[1] + jpeg[change[0] + len(change[1]) :]
    )
    bodies = st.one_of(st.none(), st.just(jpeg), cut, overwritten, st.binary(max_size=256))
    return st.builds(Other, is_to_camera=st.sampled_from([True, True, False]), body=bodies)


def measure(*, examples: int) -> list[Bar]:
    """Return what the service answered."""
    (port,) = ports.free(1)
    plan = {"name": CAMERA, "source": "posted", "fps": 30}
    web = {"MASKWATCH_WEB_PORT": str(port), "MASKWATCH_WEB_TOKEN": TOKEN}
    counted: dict[str, Counter[int]] = {}
    with tempfile.TemporaryDirectory(prefix="maskwatch-") as folder:
        detector = Detector(Path(folder), [plan], web)
        try:
            _until_listening(port)
            asking = Asking(f"http://{ports.LOOPBACK}:{port}", TOKEN, CAMERA, examples)
            for path in asking.paths():
                counted[path] = Counter()
                for mode in MODES:
                    counted[path] += asking.statuses(path, mode)
            frames = detector.values("camera_frames_total")[CAMERA]
        finally:
            detector.process.terminate()
            detector.process.wait()
    for path, statuses in counted.items():
        print(f"{path}: {dict(sorted(statuses.items()))}")
    return _bars(counted, frames)


def _until_listening(port: int) -> None:
    deadline_s = time.monotonic() + _START_S
    while not ports.is_listening(port):
        if time.monotonic() > deadline_s:
            raise TimeoutError(f"nobody listens on the port {port} after {_START_S:.0f} s")
        time.sleep(0.1)  # between two looks


def _bars(counted: dict[str, Counter[int]], frames: float) -> list[Bar]:
    everything = sum(counted.values(), Counter())
    broken = sum(number for status, number in everything.items() if status >= 500)
    return [
        Bar("routes of the OpenAPI text", len(counted), "routes"),
        Bar("requests by schemathesis", everything.total(), "requests"),
        at_most("answers 5xx", broken, 0, unit="answers"),
        at_least("frames taken by the camera", frames, 1, unit="frames"),
    ]


def main() -> int:
    """Measure, print, and return 1 when a bar was missed."""
    parser = argparse.ArgumentParser(prog="benchmarks.edge.openapi", description=__doc__)
    parser.add_argument(
        "--examples", type=int, default=200, help="for each route and mode (%(default)s)"
    )
    chosen = parser.parse_args()
    return 0 if bars.report("edge-openapi", measure(examples=chosen.examples)) else 1


if __name__ == "__main__":
    sys.exit(main())
