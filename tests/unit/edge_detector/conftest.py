"""A model whose answers a test writes down, behind the real detector."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from edge_detector.vision.manifest import ClassifierManifest, Manifest
from edge_detector.vision.model import Model
from maskwatch_runtime.testing import FakeClock

SIZE_PX, STRIDES = 64, (8, 16)
CELLS = (SIZE_PX // 8) ** 2 + (SIZE_PX // 16) ** 2

Manifested = Callable[..., Manifest]


class FakeInterpreter:
    """Answers with the arrays it was given; the real ones are LiteRT and tflite-runtime.

    Attributes:
        seen: The input tensors it was invoked with.
        answers: Output arrays, shape (1, N, C); set them between two invocations at will.
    """

    def __init__(
        self,
        answers: list[npt.NDArray[Any]],
        *,
        quantisation: tuple[float, int] = (0.0, 0),
        dtype: npt.DTypeLike = np.float32,
        input_shape: tuple[int, ...] = (1, SIZE_PX, SIZE_PX, 3),
    ) -> None:
        self.answers = answers
        self.seen: list[npt.NDArray[Any]] = []
        self._quantisation = quantisation
        self._input = {
            "index": 100,
            "shape": np.array(input_shape),
            "dtype": np.dtype(dtype).type,
            "quantization": quantisation,
        }

    def allocate_tensors(self) -> None:
        """Nothing is to be allocated."""

    def get_input_details(self) -> list[dict[str, Any]]:
        return [self._input]

    def get_output_details(self) -> list[dict[str, Any]]:
        return [
            {
                "index": index,
                "shape": np.array(answer.shape),
                "dtype": answer.dtype.type,
                "quantization": self._quantisation,
            }
            for index, answer in enumerate(self.answers)
        ]

    def set_tensor(self, tensor_index: int, value: npt.NDArray[Any]) -> None:
        assert tensor_index == 100
        self.seen.append(value.copy())

    def invoke(self) -> None:
        assert self.seen

    def get_tensor(self, tensor_index: int) -> npt.NDArray[Any]:
        return self.answers[tensor_index]


def silent() -> list[npt.NDArray[Any]]:
    """Return the answers of a model that sees no face: scores, distances, classes."""
    return [np.zeros((1, CELLS, width), np.float32) for width in (1, 4, 3)]


@pytest.fixture
def answers() -> Callable[[], list[npt.NDArray[Any]]]:
    return silent


@pytest.fixture
def interpreter_type() -> type[FakeInterpreter]:
    return FakeInterpreter


@pytest.fixture
def interpreter() -> FakeInterpreter:
    return FakeInterpreter(silent())


@pytest.fixture
def manifest() -> Manifested:
    """Make the manifest of the small fake model, with other values where given."""

    def make(**changes: object) -> Manifest:
        return Manifest.model_validate(
            {
                "name": "fake",
                "guid": "fake-guid",
                "version": "1",
                "task": "face_mask_detector",
                "file": "fake.tflite",
                "sha256": "0" * 64,
                "input": {
                    "size_px": SIZE_PX,
                    "layout": "NHWC",
                    "dtype": "float32",
                    "range": [0, 255],
                    "colour": "RGB",
                    "letterbox_fill": 114,
                },
                "strides": STRIDES,
                "labels": ["mask", "no_mask", "bad_mask"],
                "score_threshold": 0.5,
                "nms_iou": 0.45,
                "unsure_below": 0.6,
                **changes,
            }
        )

    return make


@pytest.fixture
def classifies() -> Callable[..., ClassifierManifest]:
    """Make the manifest of a classifier, with other values where given."""

    def make(**changes: object) -> ClassifierManifest:
        return ClassifierManifest.model_validate(
            {
                "name": "second",
                "guid": "second-guid",
                "version": "1",
                "task": "mask_classifier",
                "file": "second.tflite",
                "sha256": "0" * 64,
                "input": {
                    "size_px": 32,
                    "layout": "NHWC",
                    "dtype": "float32",
                    "range": [0, 255],
                    "colour": "RGB",
                },
                "margin": 0.1,
                "labels": ["mask", "no_mask", "bad_mask", "no_face"],
                "least_side_px": 10,
                "weight": 0.5,
                "veto": 0.5,
                "unsure_below": 0.6,
                **changes,
            }
        )

    return make


@pytest.fixture
def model(interpreter: FakeInterpreter, manifest: Manifested) -> Model:
    return Model(interpreter, manifest(), file=Path("fake.tflite"), runtime="fake 1")


@pytest.fixture
def see(interpreter: FakeInterpreter) -> Callable[..., None]:
    """Let the model see one face, or none: its centre (8, 8) and 12 px wide in the input."""

    def show(
        *,
        score: float = 0.9,
        probabilities: tuple[float, float, float] = (0.05, 0.9, 0.05),
        cell: int = 0,
        side_px: float = 12.0,
    ) -> None:
        scores, distances, classes = interpreter.answers
        for array in interpreter.answers:
            array[:] = 0
        scores[0, cell, 0] = score
        distances[0, cell] = side_px / 2 / 8
        classes[0, cell] = probabilities

    return show


class FakeStop:
    """A stop whose waiting moves a fake clock instead of sleeping; `waits_s` tells how long."""

    def __init__(self, clock: FakeClock) -> None:
        self._clock = clock
        self._is_set = False
        self.waits_s: list[float] = []

    def is_set(self) -> bool:
        return self._is_set

    def set(self) -> None:
        self._is_set = True

    def wait(self, timeout: float) -> bool:
        self.waits_s.append(timeout)
        self._clock.advance(timeout)
        return self._is_set


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
def stop(clock: FakeClock) -> FakeStop:
    return FakeStop(clock)
