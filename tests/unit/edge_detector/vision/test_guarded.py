"""Two fake interpreters: one that may fail or hang, and the one behind it."""

import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from edge_detector.vision.accelerator import Accelerator, Deadlines, Plugin
from edge_detector.vision.guarded import Guarded
from maskwatch_runtime.errors import Misconfigured


class FakeInterpreter:
    """Adds a number to its input; fails with an error, or hangs until it is let go."""

    def __init__(self, adds: float, *, first_index: int = 0, width: int = 2) -> None:
        self.error: Exception | None = None
        self.may_answer = threading.Event()
        self.may_answer.set()
        self.invoked = 0
        self._adds = adds
        self._first = first_index
        self._width = width
        self._input = np.zeros((1, width), np.float32)
        self._output = np.zeros((1, width), np.float32)

    def allocate_tensors(self) -> None:
        """Nothing is to be allocated."""

    def get_input_details(self) -> list[dict[str, Any]]:
        return [self._detail(self._first)]

    def get_output_details(self) -> list[dict[str, Any]]:
        return [self._detail(self._first + 1)]

    def set_tensor(self, tensor_index: int, value: npt.NDArray[Any]) -> None:
        assert tensor_index == self._first
        self._input = value.copy()

    def invoke(self) -> None:
        self.may_answer.wait()
        if self.error is not None:
            raise self.error
        self.invoked += 1
        self._output = self._input + self._adds

    def get_tensor(self, tensor_index: int) -> npt.NDArray[Any]:
        assert tensor_index == self._first + 1
        return self._output

    def _detail(self, index: int) -> dict[str, Any]:
        shape = np.array([1, self._width])
        return {"index": index, "shape": shape, "dtype": np.float32, "quantization": (0.0, 0)}


@pytest.fixture
def accelerator() -> Accelerator:
    return Accelerator(Plugin("libnpu.so"), deadlines=Deadlines(invoke_s=0.05))


@pytest.fixture
def fast() -> Iterator[FakeInterpreter]:
    made = FakeInterpreter(adds=100, first_index=7)
    yield made
    made.may_answer.set()


@pytest.fixture
def slow() -> FakeInterpreter:
    return FakeInterpreter(adds=1)


@pytest.fixture
def answer(
    fast: FakeInterpreter, slow: FakeInterpreter, accelerator: Accelerator
) -> Callable[[float], float]:
    guarded = Guarded(slow, accelerator, lambda: fast, file=Path("model.tflite"))
    accelerator.join(guarded.begin)
    guarded.allocate_tensors()

    def call(value: float) -> float:
        (taken,), (given,) = guarded.get_input_details(), guarded.get_output_details()
        guarded.set_tensor(taken["index"], np.full((1, 2), value, np.float32))
        guarded.invoke()
        return float(guarded.get_tensor(given["index"])[0, 0])

    return call


def test_accelerator_answers_while_it_works(
    answer: Callable[[float], float], slow: FakeInterpreter
) -> None:
    assert [answer(1), answer(2)] == [101, 102]
    assert slow.invoked == 0


@pytest.mark.parametrize("error", [RuntimeError("unplugged"), ValueError("node failed")])
def test_failing_invocation_is_answered_by_the_cpu_with_the_same_input(
    answer: Callable[[float], float], fast: FakeInterpreter, error: Exception
) -> None:
    assert answer(1) == 101
    fast.error = error

    assert answer(2) == 3


def test_hanging_invocation_is_answered_by_the_cpu_at_its_deadline(
    answer: Callable[[float], float], fast: FakeInterpreter, accelerator: Accelerator
) -> None:
    fast.may_answer.clear()

    assert answer(2) == 3
    assert accelerator.is_lost


def test_accelerator_that_came_back_is_left_alone_until_it_is_tried(
    answer: Callable[[float], float], fast: FakeInterpreter
) -> None:
    fast.may_answer.clear()
    answer(2)
    fast.may_answer.set()

    assert [answer(3), answer(4)] == [4, 5]


def test_loss_by_one_model_moves_the_others_to_the_cpu(
    answer: Callable[[float], float], fast: FakeInterpreter, accelerator: Accelerator
) -> None:
    assert answer(1) == 101
    accelerator.lost("another model's invocation hung")

    assert answer(2) == 3
    assert fast.invoked == 1


def test_model_returns_to_the_accelerator_that_is_back(
    answer: Callable[[float], float], fast: FakeInterpreter, accelerator: Accelerator
) -> None:
    fast.error = RuntimeError("unplugged")
    assert answer(1) == 2
    fast.error = None

    assert accelerator.resume()

    assert not accelerator.is_lost
    assert answer(2) == 102


def test_accelerator_that_hung_is_used_anew(
    answer: Callable[[float], float], fast: FakeInterpreter, accelerator: Accelerator
) -> None:
    fast.may_answer.clear()
    assert answer(1) == 2
    fast.may_answer.set()

    assert accelerator.resume()

    assert [answer(2), answer(3)] == [102, 103]


def test_compiled_model_with_other_tensors_is_refused(accelerator: Accelerator) -> None:
    guarded = Guarded(
        FakeInterpreter(1),
        accelerator,
        lambda: FakeInterpreter(1, width=3),
        file=Path("other.tflite"),
    )
    with pytest.raises(Misconfigured, match=r"other\.tflite \(edgetpu_file\) has other inputs"):
        accelerator.join(guarded.begin)
