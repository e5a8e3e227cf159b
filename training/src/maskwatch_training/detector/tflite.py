"""Runs an exported model on pictures."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from ai_edge_litert.interpreter import Interpreter

from maskwatch_training.arrays import Image
from maskwatch_training.detector.decode import Outputs


class UnknownOutputs(ValueError):  # noqa: N818 - named for what is wrong, as all our errors are
    """The model does not have the three outputs of the detector."""


class Model:
    """A loaded .tflite detector; one thread unless said otherwise."""

    def __init__(self, path: Path, *, threads: int = 1) -> None:
        self._interpreter = Interpreter(str(path), num_threads=threads)
        self._interpreter.allocate_tensors()
        self._input = self._interpreter.get_input_details()[0]
        details = self._interpreter.get_output_details()
        self._outputs = {int(detail["shape"][-1]): detail["index"] for detail in details}
        if sorted(self._outputs) != [1, 3, 4]:
            raise UnknownOutputs(f"{path}: last dimensions are {sorted(self._outputs)}")

    @property
    def size_px(self) -> int:
        """Side of the square input."""
        return int(self._input["shape"][1])

    def judge(self, letterboxed: Image) -> Outputs:
        """Judge one picture (S, S, 3) RGB that is letterboxed already."""
        self._interpreter.set_tensor(self._input["index"], letterboxed[None].astype(np.float32))
        self._interpreter.invoke()
        scores, classes, boxes = (
            self._interpreter.get_tensor(self._outputs[size])[0] for size in (1, 3, 4)
        )
        return Outputs(scores=scores, boxes=boxes, classes=classes)
