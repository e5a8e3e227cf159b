"""The model in an inference runtime: LiteRT, or its older name tflite-runtime."""

import importlib
import importlib.metadata
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, Protocol

import numpy as np
import numpy.typing as npt
from maskwatch_runtime.errors import Misconfigured

from edge_detector import manifest as manifests
from edge_detector.arrays import Floats, Integers
from edge_detector.boxes import Grid, grid
from edge_detector.letterbox import Letterbox
from edge_detector.manifest import Manifest
from edge_detector.quantisation import Quantisation

Runtime = Literal["litert", "tflite-runtime"]
# Module and distribution, in the order in which they are tried.
_RUNTIMES: dict[Runtime, tuple[str, str]] = {
    "litert": ("ai_edge_litert.interpreter", "ai-edge-litert"),
    "tflite-runtime": ("tflite_runtime.interpreter", "tflite-runtime"),
}


class Interpreter(Protocol):
    """What both runtimes offer; the fake is in the tests."""

    def allocate_tensors(self) -> None: ...
    def get_input_details(self) -> list[dict[str, Any]]: ...
    def get_output_details(self) -> list[dict[str, Any]]: ...
    def set_tensor(self, tensor_index: int, value: npt.NDArray[Any]) -> None: ...
    def invoke(self) -> None: ...
    def get_tensor(self, tensor_index: int) -> npt.NDArray[Any]: ...


@dataclass(frozen=True, slots=True)
class Tensor:
    """An output as the model gives it, shape (N, C)."""

    values: npt.NDArray[Any]
    quantisation: Quantisation

    def column(self) -> Floats:
        """Return the first column as real numbers, shape (N,)."""
        return self.quantisation.dequantise(self.values[:, 0])

    def rows(self, which: Integers) -> Floats:
        """Return these rows as real numbers, shape (len(which), C)."""
        return self.quantisation.dequantise(self.values[which])


@dataclass(frozen=True, slots=True)
class Outputs:
    """One frame's answer: `scores` (N, 1), `distances` (N, 4) in strides, `classes` (N, labels)."""

    scores: Tensor
    distances: Tensor
    classes: Tensor


class Model:
    """An interpreter whose tensors are what the manifest says; for one thread at a time.

    Attributes:
        manifest: What the model says about itself.
        runtime: Name and version of what runs it, such as "litert 2.3.0".
        grid: Its cells.

    Raises:
        Misconfigured: A tensor has another shape or type than the manifest says.
    """

    def __init__(
        self, interpreter: Interpreter, manifest: Manifest, *, file: Path, runtime: str
    ) -> None:
        self.manifest = manifest
        self.runtime = runtime
        self.grid: Grid = grid(manifest.input.size_px, manifest.strides)
        self._file = file
        self._interpreter = interpreter
        interpreter.allocate_tensors()
        self._input = self._only_input()
        self._scores = self._output(1)
        self._distances = self._output(4)
        self._classes = self._output(len(manifest.labels))

    def letterbox(self) -> Letterbox:
        """Return what makes frames fit the input."""
        return Letterbox(
            self.manifest.input.size_px,
            fill=self.manifest.input.letterbox_fill,
            dtype=self._input["dtype"],
            quantisation=_quantisation(self._input),
        )

    def invoke(self, picture: npt.NDArray[Any]) -> Outputs:
        """Run the model on an input tensor, shape (1, size, size, 3)."""
        self._interpreter.set_tensor(self._input["index"], picture)
        self._interpreter.invoke()
        return Outputs(
            self._tensor(self._scores), self._tensor(self._distances), self._tensor(self._classes)
        )

    def _tensor(self, detail: dict[str, Any]) -> Tensor:
        return Tensor(
            self._interpreter.get_tensor(detail["index"])[0],
            _quantisation(detail),
        )

    def _only_input(self) -> dict[str, Any]:
        details = self._interpreter.get_input_details()
        wanted = (1, self.manifest.input.size_px, self.manifest.input.size_px, 3)
        if [_shape(detail) for detail in details] != [wanted]:
            raise Misconfigured(
                f"the model {self._file} has inputs of shape"
                f" {[_shape(detail) for detail in details]}, its manifest says {wanted}"
            )
        dtype = np.dtype(details[0]["dtype"])
        if dtype != np.dtype(self.manifest.input.dtype):
            raise Misconfigured(
                f"the model {self._file} takes {dtype}, its manifest says"
                f" {self.manifest.input.dtype}"
            )
        return details[0]

    def _output(self, width: int) -> dict[str, Any]:
        """Return the output with this last dimension: their order differs between exports."""
        details = self._interpreter.get_output_details()
        found = [detail for detail in details if _shape(detail) == (1, len(self.grid), width)]
        if len(found) != 1 or len(details) != 3:
            raise Misconfigured(
                f"the model {self._file} has outputs of shape"
                f" {[_shape(detail) for detail in details]}, its manifest asks for"
                f" (1, {len(self.grid)}, C) with C = 1, 4 and {len(self.manifest.labels)}"
            )
        return found[0]


def load(path: Path, *, runtime: Literal["auto"] | Runtime = "auto", threads: int = 1) -> Model:
    """Build the interpreter for the model whose manifest is at `path`, everything checked.

    Args:
        path: The manifest; the model lies beside it.
        runtime: "auto" takes the first that is installed, LiteRT before tflite-runtime.
        threads: Threads of the CPU for one invocation.

    Raises:
        Misconfigured: A file is missing or wrong, or no runtime can be had; says which.
    """
    manifest = manifests.read(path)
    file = manifests.model_file(path, manifest)
    wanted = list(_RUNTIMES) if runtime == "auto" else [runtime]
    module, name = _imported(wanted)
    try:
        interpreter = module.Interpreter(model_path=str(file), num_threads=threads)
    except (ValueError, RuntimeError) as error:
        raise Misconfigured(f"the model {file} cannot be loaded by {name}: {error}") from error
    return Model(interpreter, manifest, file=file, runtime=name)


def _imported(wanted: list[Runtime]) -> tuple[Any, str]:
    problems = []
    for runtime in wanted:
        module, distribution = _RUNTIMES[runtime]
        try:
            imported = importlib.import_module(module)
        except ImportError as error:
            problems.append(str(error))
            continue
        return imported, f"{runtime} {importlib.metadata.version(distribution)}"
    raise Misconfigured(
        f"MASKWATCH_INFERENCE_RUNTIME: none of {', '.join(wanted)} can be imported:"
        f" {'; '.join(problems)}"
    )


def _quantisation(detail: dict[str, Any]) -> Quantisation:
    scale, zero_point = detail["quantization"]
    return Quantisation(float(scale), int(zero_point))


def _shape(detail: dict[str, Any]) -> tuple[int, ...]:
    return tuple(int(side) for side in detail["shape"])
