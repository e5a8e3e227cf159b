"""Model files in an inference runtime: LiteRT, or its older name tflite-runtime."""

import importlib
import importlib.metadata
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, Protocol

import numpy as np
import numpy.typing as npt
from maskwatch_runtime.errors import Misconfigured

from edge_detector.vision.quantisation import Quantisation

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
class Port:
    """An input or output of a model: its number, shape and type, and what its integers mean."""

    index: int
    shape: tuple[int, ...]
    dtype: np.dtype[Any]
    quantisation: Quantisation


def load(
    file: Path,
    *,
    runtime: Literal["auto"] | Runtime = "auto",
    threads: int = 1,
    delegates: Sequence[object] = (),
) -> tuple[Interpreter, str]:
    """Return an interpreter of the model file, and what runs it, such as "litert 2.3.0".

    Args:
        file: A .tflite file.
        runtime: "auto" takes the first that is installed, LiteRT before tflite-runtime.
        threads: Threads of the CPU for one invocation.
        delegates: What `load_delegate` has returned, of the same runtime.

    Raises:
        Misconfigured: The runtime cannot load the file, or no runtime can be had; says which.
    """
    module, name = imported(runtime)
    try:
        made = module.Interpreter(
            model_path=str(file), num_threads=threads, experimental_delegates=[*delegates]
        )
    except (ValueError, RuntimeError) as error:
        raise Misconfigured(f"the model {file} cannot be loaded by {name}: {error}") from error
    return made, name


def load_delegate(
    library: str, options: Mapping[str, str], *, runtime: Literal["auto"] | Runtime = "auto"
) -> object:
    """Return the external delegate in a shared library; holds Python's lock until it is there.

    Raises:
        OSError, AttributeError, ValueError: The library cannot be loaded, is none, or refuses.
        Misconfigured: No runtime can be had.
    """
    module, _ = imported(runtime)
    delegate: object = module.load_delegate(library, dict(options))
    return delegate


def imported(runtime: Literal["auto"] | Runtime) -> tuple[Any, str]:
    """Return a runtime's module and what it is, such as "litert 2.3.0".

    Raises:
        Misconfigured: None of those wanted is installed.
    """
    wanted: list[Runtime] = list(_RUNTIMES) if runtime == "auto" else [runtime]
    problems = []
    for name in wanted:
        module, distribution = _RUNTIMES[name]
        try:
            imported = importlib.import_module(module)
        except ImportError as error:
            problems.append(str(error))
            continue
        return imported, f"{name} {importlib.metadata.version(distribution)}"
    raise Misconfigured(
        f"MASKWATCH_INFERENCE_RUNTIME: none of {', '.join(wanted)} can be imported:"
        f" {'; '.join(problems)}"
    )


def only_input(interpreter: Interpreter, file: Path, *, shape: tuple[int, ...], dtype: str) -> Port:
    """Return the model's one input, compared with what its manifest says of it.

    Raises:
        Misconfigured: There are others, or it has another shape or type; names file and field.
    """
    ports = [_port(detail) for detail in interpreter.get_input_details()]
    if [port.shape for port in ports] != [shape]:
        raise Misconfigured(
            f"the model {file} has inputs of shape {[port.shape for port in ports]},"
            f" its manifest (input) says {shape}"
        )
    if ports[0].dtype != np.dtype(dtype):
        raise Misconfigured(
            f"the model {file} takes {ports[0].dtype}, its manifest (input.dtype) says {dtype}"
        )
    return ports[0]


def outputs(interpreter: Interpreter) -> list[Port]:
    """Return the model's outputs; their order differs between exports."""
    return [_port(detail) for detail in interpreter.get_output_details()]


def _port(detail: dict[str, Any]) -> Port:
    scale, zero_point = detail["quantization"]
    return Port(
        index=int(detail["index"]),
        shape=tuple(int(side) for side in detail["shape"]),
        dtype=np.dtype(detail["dtype"]),
        quantisation=Quantisation(float(scale), int(zero_point)),
    )
