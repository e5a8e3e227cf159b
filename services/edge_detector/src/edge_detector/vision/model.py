"""The detector's model: cells with a score, a box and classes each."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Unpack

import numpy.typing as npt
from maskwatch_runtime.errors import Misconfigured

from edge_detector.vision import delegate, inference
from edge_detector.vision import manifest as manifests
from edge_detector.vision.arrays import Floats, Integers
from edge_detector.vision.boxes import Grid, grid
from edge_detector.vision.delegate import Files, How
from edge_detector.vision.inference import Interpreter, Port
from edge_detector.vision.letterbox import Letterbox
from edge_detector.vision.manifest import Manifest
from edge_detector.vision.quantisation import Quantisation


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
        size_px = manifest.input.size_px
        self._input = inference.only_input(
            interpreter, file, shape=(1, size_px, size_px, 3), dtype=manifest.input.dtype
        )
        self._scores = self._output(1)
        self._distances = self._output(4)
        self._classes = self._output(len(manifest.labels))

    def letterbox(self) -> Letterbox:
        """Return what makes frames fit the input."""
        return Letterbox(
            self.manifest.input.size_px,
            fill=self.manifest.input.letterbox_fill,
            dtype=self._input.dtype,
            quantisation=self._input.quantisation,
        )

    def invoke(self, picture: npt.NDArray[Any]) -> Outputs:
        """Run the model on an input tensor, shape (1, size, size, 3)."""
        self._interpreter.set_tensor(self._input.index, picture)
        self._interpreter.invoke()
        return Outputs(
            self._tensor(self._scores), self._tensor(self._distances), self._tensor(self._classes)
        )

    def _tensor(self, port: Port) -> Tensor:
        return Tensor(self._interpreter.get_tensor(port.index)[0], port.quantisation)

    def _output(self, width: int) -> Port:
        """Return the output with this last dimension: their order differs between exports."""
        ports = inference.outputs(self._interpreter)
        found = [port for port in ports if port.shape == (1, len(self.grid), width)]
        if len(found) != 1 or len(ports) != 3:
            raise Misconfigured(
                f"the model {self._file} has outputs of shape {[port.shape for port in ports]},"
                f" its manifest (strides, labels) asks for (1, {len(self.grid)}, C)"
                f" with C = 1, 4 and {len(self.manifest.labels)}"
            )
        return found[0]


def load(path: Path, **how: Unpack[How]) -> Model:
    """Build the model whose manifest is at `path`, everything checked; see `delegate.load`.

    Raises:
        Misconfigured: A file is missing or wrong, or no runtime can be had; says which.
    """
    manifest = manifests.read(path)
    file = manifests.model_file(path, manifest)
    files = Files(file, manifests.edgetpu_file(path, manifest))
    interpreter, name = delegate.load(files, **how)
    return Model(interpreter, manifest, file=file, runtime=name)
