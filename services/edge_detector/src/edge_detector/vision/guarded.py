"""An interpreter that may hang or fail and come back, with another one behind it."""

import queue
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy.typing as npt
from maskwatch_runtime.errors import Misconfigured

from edge_detector.vision.accelerator import Accelerator
from edge_detector.vision.inference import Interpreter


class Guarded:
    """An interpreter on the CPU, and one on an accelerator that does its work while it can.

    Indices of tensors are those of the one on the CPU. It is kept ready all the time, so that a
    failure costs no more than the invocation's deadline.

    Args:
        standby: The one on the CPU.
        accelerator: Whether the other one can be believed.
        build: Returns another one on the accelerator, or raises Unavailable.
        file: Its model, for the error.
    """

    def __init__(
        self,
        standby: Interpreter,
        accelerator: Accelerator,
        build: Callable[[], Interpreter],
        *,
        file: Path,
    ) -> None:
        standby.allocate_tensors()
        self._accelerator = accelerator
        self._standby = standby
        self._build = build
        self._file = file
        self._inputs: dict[int, npt.NDArray[Any]] = {}
        self._fast: _Fast | None = None
        self._answered_by: _Fast | None = None

    def begin(self) -> None:
        """Put the model on the accelerator; from another thread only while that is lost.

        Raises:
            Unavailable: The accelerator does not do it.
            Misconfigured: The model there has other inputs or outputs.
        """
        before, self._fast = self._fast, None
        self._answered_by = None
        if before is not None:
            # Let go of first: a device is opened by one at a time.
            before.worker.end()
        fast = self._build()
        numbers = {
            **_numbers(self._standby.get_input_details(), fast.get_input_details(), self._file),
            **_numbers(self._standby.get_output_details(), fast.get_output_details(), self._file),
        }
        self._fast = _Fast(fast, numbers, _Worker(fast.invoke))

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
        fast = None if self._accelerator.is_lost else self._fast
        self._answered_by = fast if fast is not None and self._has_invoked(fast) else None
        if self._answered_by is None:
            for index, value in self._inputs.items():
                self._standby.set_tensor(index, value)
            self._standby.invoke()

    def get_tensor(self, tensor_index: int) -> npt.NDArray[Any]:
        fast = self._answered_by
        if fast is not None:
            return fast.interpreter.get_tensor(fast.numbers[tensor_index])
        return self._standby.get_tensor(tensor_index)

    def _has_invoked(self, fast: "_Fast") -> bool:
        for index, value in self._inputs.items():
            fast.interpreter.set_tensor(fast.numbers[index], value)
        reason = fast.worker.call(timeout_s=self._accelerator.deadlines.invoke_s)
        if reason is not None:
            self._accelerator.lost(reason)
        return reason is None


class _Worker:
    """A thread that calls a function which may never return.

    One that hangs outlives everything, with what it calls: to destroy an interpreter whose delegate
    hangs would hang as well.
    """

    def __init__(self, function: Callable[[], None]) -> None:
        self._asked: queue.SimpleQueue[bool] = queue.SimpleQueue()
        self._answers: queue.SimpleQueue[str | None] = queue.SimpleQueue()
        threading.Thread(
            target=self._run, args=(function,), name="accelerator", daemon=True
        ).start()

    def call(self, *, timeout_s: float) -> str | None:
        """Return why the call has failed, None when it went well; not again after a failure."""
        self._asked.put(True)
        try:
            return self._answers.get(timeout=timeout_s)
        except queue.Empty:
            return f"no answer within {timeout_s:g} s"

    def end(self) -> None:
        """End the thread once it is not calling, and let go of what it calls."""
        self._asked.put(False)

    def _run(self, function: Callable[[], None]) -> None:
        while self._asked.get():
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


@dataclass(frozen=True, slots=True)
class _Fast:
    """An interpreter on the accelerator; `numbers`: its tensors' indices by those on the CPU."""

    interpreter: Interpreter
    numbers: Mapping[int, int]
    worker: _Worker
