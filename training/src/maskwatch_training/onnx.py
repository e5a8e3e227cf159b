"""Models in ONNX: written from PyTorch, run by onnxruntime and by OpenCV's dnn, compared."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np
import onnx
import onnxruntime
import torch
from onnx import TensorProto, helper, numpy_helper
from torch import Tensor, nn

from maskwatch_training import parity
from maskwatch_training.arrays import Floats
from maskwatch_training.parity import OutputsDiffer, Step

INPUT = "image"
_OPSET = 18  # the newest that OpenCV 4.10 reads and PyTorch writes without converting
# Largest differences of any output: writing only reorders float sums; halving rounds weights to 11
# bits.
_TOLERANCE = 2e-3
_HALF_TOLERANCE = 0.05
_LEAST_HALVED = 256  # values; smaller tensors are biases and constants, not worth a cast


def export(
    module: nn.Module, samples: Sequence[Tensor], path: Path, *, outputs: Sequence[str]
) -> dict[str, float]:
    """Write a module as `write` does, then store its weights in float16, as they ship.

    Returns:
        The largest difference to the module's outputs by runtime, before and after.

    Raises:
        OutputsDiffer: By more than they may; no file is left.
    """
    write(module, samples[0].contiguous(), path, outputs=outputs)
    try:
        whole = compare(module, samples, path, outputs=outputs, tolerance=_TOLERANCE)
        halve(path)
        halved = compare(module, samples, path, outputs=outputs, tolerance=_HALF_TOLERANCE)
    except OutputsDiffer:
        path.unlink()
        raise
    return whole | {f"{runtime}_float16_weights": gap for runtime, gap in halved.items()}


def write(module: nn.Module, sample: Tensor, path: Path, *, outputs: Sequence[str]) -> None:
    """Write a module (in evaluation mode) that takes one tensor of the sample's shape.

    Give it an input (1, channels, height, width) in 0..255, as `cv2.dnn.blobFromImage` makes it.
    The file appears whole or not at all.
    """
    draft = path.with_suffix(".part.onnx")
    try:
        program = torch.onnx.export(
            module,
            (sample,),
            input_names=[INPUT],
            output_names=list(outputs),
            opset_version=_OPSET,
            dynamo=True,
            external_data=False,
            verbose=False,
        )
        assert program is not None
        program.save(str(draft), external_data=False)
        draft.replace(path)
    finally:
        draft.unlink(missing_ok=True)


def halve(path: Path) -> None:
    """Store the weights of a file in float16, cast back before they are used: half the size.

    Both runtimes fold the casts when they load the file, and compute in float32 all the same.
    """
    model = onnx.load(str(path))
    _forget_origin(model)
    graph = model.graph
    casts = []
    for weights in list(graph.initializer):
        values = numpy_helper.to_array(weights)
        if values.dtype != np.float32 or values.size < _LEAST_HALVED:
            continue
        half = numpy_helper.from_array(values.astype(np.float16), f"{weights.name}_float16")
        casts.append(helper.make_node("Cast", [half.name], [weights.name], to=TensorProto.FLOAT))
        graph.initializer.remove(weights)
        graph.initializer.append(half)
    nodes = [*casts, *graph.node]
    del graph.node[:]
    graph.node.extend(nodes)
    onnx.checker.check_model(model)
    draft = path.with_suffix(".part.onnx")
    try:
        onnx.save(model, str(draft))
        draft.replace(path)
    finally:
        draft.unlink(missing_ok=True)


def _forget_origin(model: onnx.ModelProto) -> None:
    """Take out what PyTorch notes beside each node: call stacks with paths of the machine."""
    graph = model.graph
    for part in (model, graph, *graph.node, *graph.input, *graph.output, *graph.value_info):
        del part.metadata_props[:]
        part.doc_string = ""
    for weights in graph.initializer:
        del weights.metadata_props[:]


def run_onnxruntime(path: Path, image: Floats) -> list[Floats]:
    """Run a file in onnxruntime on one thread; outputs in their order."""
    settings = onnxruntime.SessionOptions()
    settings.intra_op_num_threads = 1
    session = onnxruntime.InferenceSession(str(path), settings, providers=["CPUExecutionProvider"])
    answers = session.run(None, {INPUT: image})
    return [np.asarray(answer, np.float32) for answer in answers]


def run_opencv(path: Path, image: Floats, outputs: Sequence[str]) -> list[Floats]:
    """Run a file in OpenCV's dnn; outputs in the order asked for."""
    network = cv2.dnn.readNetFromONNX(str(path))
    network.setInput(image)
    return [np.asarray(answer, np.float32) for answer in network.forward(list(outputs))]


def compare(
    module: nn.Module,
    samples: Sequence[Tensor],
    path: Path,
    *,
    outputs: Sequence[str],
    tolerance: float,
) -> dict[str, float]:
    """Give the largest difference to the module's outputs, by runtime.

    Raises:
        OutputsDiffer: A runtime's outputs differ by more than the tolerance.
    """
    largest = {"onnxruntime": 0.0, "opencv": 0.0}
    for sample in samples:
        with torch.no_grad():
            said = module(sample)
        expected = [one.numpy() for one in (said if isinstance(said, tuple) else (said,))]
        image = sample.numpy()
        answers = {
            "onnxruntime": run_onnxruntime(path, image),
            "opencv": run_opencv(path, image, outputs),
        }
        for name, actual in answers.items():
            gap = parity.compare(expected, actual, Step(f"{path.name} in {name}", tolerance))
            largest[name] = max(largest[name], gap)
    return largest
