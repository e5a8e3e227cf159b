"""Runs an exported classifier on cuts."""

from __future__ import annotations

import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from ai_edge_litert.interpreter import Interpreter

from maskwatch_training.arrays import Floats, Image

_WARM_UP_RUNS, _TIMED_RUNS = 20, 200


class UnknownTensors(ValueError):  # noqa: N818 - named for what is wrong, as all our errors are
    """The model does not take one square cut or does not give one row of probabilities."""


class Model:
    """A loaded .tflite classifier; float or with quantised input and output; one thread."""

    def __init__(self, path: Path) -> None:
        self._interpreter = Interpreter(str(path), num_threads=1)
        self._interpreter.allocate_tensors()
        inputs, outputs = (
            self._interpreter.get_input_details(),
            self._interpreter.get_output_details(),
        )
        shapes = [tuple(int(v) for v in detail["shape"]) for detail in (*inputs, *outputs)]
        if len(shapes) != 2 or len(shapes[0]) != 4 or len(shapes[1]) != 2:
            raise UnknownTensors(f"{path}: tensors are {shapes}")
        self._input, self._output = inputs[0], outputs[0]
        self.size_px, self.channels, self.labels = shapes[0][1], shapes[0][3], shapes[1][1]
        self.dtype = np.dtype(self._input["dtype"]).name

    def judge(self, cut: Image) -> Floats:
        """Judge one cut (S, S, channels) in 0..255; probabilities (labels,)."""
        self._interpreter.set_tensor(self._input["index"], self._as_tensor(cut))
        self._interpreter.invoke()
        raw = self._interpreter.get_tensor(self._output["index"])[0]
        scale, zero = self._output["quantization"]
        return np.asarray((raw.astype(np.float32) - zero) * scale if scale else raw, np.float32)

    def judge_all(self, cuts: Sequence[Image]) -> Floats:
        """Judge cuts one by one, (N, labels)."""
        rows = [self.judge(cut) for cut in cuts]
        return np.array(rows, np.float32).reshape(-1, self.labels)

    def milliseconds(self) -> float:
        """Median time of one `invoke` with its input set."""
        cut = np.random.default_rng(1).integers(0, 256, (self.size_px, self.size_px, self.channels))
        tensor = self._as_tensor(cut.astype(np.uint8))
        spent = []
        for _ in range(_WARM_UP_RUNS + _TIMED_RUNS):
            began = time.perf_counter()
            self._interpreter.set_tensor(self._input["index"], tensor)
            self._interpreter.invoke()
            spent.append(time.perf_counter() - began)
        return float(np.median(spent[_WARM_UP_RUNS:])) * 1000

    def _as_tensor(self, cut: Image) -> np.ndarray[tuple[int, ...], np.dtype[np.generic]]:
        scale, zero = self._input["quantization"]
        dtype = np.dtype(self._input["dtype"])
        if not scale:
            return cut[None].astype(dtype)
        limits = np.iinfo(dtype)
        whole = np.rint(cut[None].astype(np.float32) / scale) + zero
        return np.asarray(whole.clip(limits.min, limits.max), dtype)
