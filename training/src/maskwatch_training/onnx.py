"""Models in ONNX: written from PyTorch, run by onnxruntime and by OpenCV's dnn, compared."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np
import onnxruntime
import torch
from torch import Tensor, nn

from maskwatch_training import parity
from maskwatch_training.arrays import Floats
from maskwatch_training.parity import Step

INPUT = "image"
_OPSET = 18  # the newest that OpenCV 4.10 reads and PyTorch writes without converting


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
