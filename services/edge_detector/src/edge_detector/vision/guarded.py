"""An interpreter that may hang or fail, with another one behind it."""

import queue
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy.typing as npt
from maskwatch_runtime.errors import Misconfigured

from edge_detector.vision.accelerator import Accelerator
from edge_detector.vision.inference import Interpreter


class Guarded:
    """An interpreter on an accelerator, of which the one on the CPU takes over when it fails.

    Indices of tensors are those of the one on the CPU. It is kept ready all the time, so that a
    failure costs no more than the invocation's deadline.

    Raises:
        Misconfigured: The two have different inputs or outputs.
    """

    def __init__(
        self, fast: Interpreter, standby: Interpreter, accelerator: Accelerator, *, file: Path
    ) -> None:
        standby.allocate_tensors()
        self._accelerator = accelerator
        self._fast = fast
        self._standby = standby
        self._numbers = {
            **_numbers(standby.get_input_details(), fast.get_input_details(), file),
            **_numbers(standby.get_output_details(), fast.get_output_details(), file),
        }
        self._inputs: dict[int, npt.NDArray[Any]] = {}
        self._is_fast = True
        self._worker = _Worker(fast.invoke)

    def allocate_tensors(self) -> None:
        """Nothing is left to be allocated."""

    def get_input_details(self) -> list[dict[str, Any]]:
        return self._standby.get_input_details()

    def get_output_details(self) -> list[dict[str, Any]]:
        return self._standby.get_output_details()

    def set_tensor(self, tensor_index: int, value: npt.NDArray[Any]) -> None:
        """Take the input; it may not be changed before `invoke` has returned."""
        self._inputs[tensor_index] = value

    def invoke(self) -> None:
        """Run the model, on the CPU if the accelerator does not do it in time."""
        self._is_fast = not self._accelerator.is_lost and self._has_invoked()
        if not self._is_fast:
            for index, value in self._inputs.items():
                self._standby.set_tensor(index, value)
            self._standby.invoke()

    def get_tensor(self, tensor_index: int) -> npt.NDArray[Any]:
        if self._is_fast:
            return self._fast.get_tensor(self._numbers[tensor_index])
        return self._standby.get_tensor(tensor_index)

    def _has_invoked(self) -> bool:
        for index, value in self._inputs.items():
            self._fast.set_tensor(self._numbers[index], value)
        reason = self._worker.call(timeout_s=self._accelerator.deadlines.invoke_s)
        if reason is not None:
            self._accelerator.lost(reason)
        return reason is None


class _Worker:
    """A thread that calls a function which may never return.

    It outlives everything, with what it calls: to destroy an interpreter whose delegate hangs would
    hang as well.
    """

    def __init__(self, function: Callable[[], None]) -> None:
        self._asked: queue.SimpleQueue[None] = queue.SimpleQueue()
        self._answers: queue.SimpleQueue[str | None] = queue.SimpleQueue()
        threading.Thread(
            target=self._run, args=(function,), name="accelerator", daemon=True
        ).start()

    def call(self, *, timeout_s: float) -> str | None:
        """Return why the call has failed, None when it went well; not again after a failure."""
        self._asked.put(None)
        try:
            return self._answers.get(timeout=timeout_s)
        except queue.Empty:
            return f"no answer within {timeout_s:g} s"

    def _run(self, function: Callable[[], None]) -> None:
        while True:
            self._asked.get()
            try:
                function()
            except (RuntimeError, ValueError) as error:
                self._answers.put(str(error))
            else:
                self._answers.put(None)


def _numbers(slow: list[dict[str, Any]], fast: list[dict[str, Any]], file: Path) -> dict[int, int]:
    """Return the tensor's index on the accelerator by the one on the CPU."""
    if [_kind(detail) for detail in slow] != [_kind(detail) for detail in fast]:
        raise Misconfigured(
            f"the model {file} (edgetpu_file) has other inputs or outputs than the one for the CPU"
        )
    return {int(one["index"]): int(other["index"]) for one, other in zip(slow, fast, strict=True)}


def _kind(detail: dict[str, Any]) -> tuple[Any, ...]:
    return tuple(detail["shape"]), detail["dtype"], detail["quantization"]
