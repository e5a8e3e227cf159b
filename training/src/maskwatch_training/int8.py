"""Post-training quantisation of a .tflite file to int8."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from ai_edge_quantizer import quantizer

from maskwatch_training.arrays import Image

Rules = Sequence[dict[str, Any]]
Ranges = dict[str, dict[str, Any]]
_THREADS = 1


def quantise(float_path: Path, path: Path, pictures: Iterable[Image], rules: Rules) -> None:
    """Write the int8 form of a file with one input (1, S, S, C) in 0..255.

    Activations get the range between the least and the greatest value that any picture
    (S, S, C) causes.

    Args:
        float_path: The file to quantise.
        path: The file to write.
        pictures: What the ranges come from, at least one.
        rules: Recipe of ai-edge-quantizer: which operators, and how.
    """
    worker = quantizer.Quantizer(str(float_path), list(rules))
    ranges: Ranges = {}
    for picture in pictures:
        sample = {"args_0": picture[None].astype(np.float32)}
        # One call a picture: over several the quantiser keeps a running average of the ends of a
        # range, which clips the brightest faces (a point of AP50 at 48 px and above).
        found = worker.calibrate({"serving_default": [sample]}, num_threads=_THREADS)
        widen(ranges, found)
    worker.quantize(ranges).export_model(str(path), overwrite=True)
    path.chmod(0o644)  # the quantiser writes it executable


def widen(ranges: Ranges, found: Ranges) -> None:
    """Extend ranges in place, tensor by tensor, so that they hold what was found as well."""
    for name, ends in found.items():
        known = ranges.setdefault(name, dict(ends))
        known["min"] = np.minimum(known["min"], ends["min"])
        known["max"] = np.maximum(known["max"], ends["max"])
