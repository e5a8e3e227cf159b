"""Integers that stand for real numbers: real = (integer - zero_point) * scale."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from edge_detector.arrays import Floats


@dataclass(frozen=True, slots=True)
class Quantisation:
    """Of one tensor, as TFLite gives it; scale 0 says that the tensor is not quantised."""

    scale: float = 0.0
    zero_point: int = 0

    @property
    def is_identity(self) -> bool:
        return self.scale == 0.0

    def quantise(self, real: npt.NDArray[Any], dtype: np.dtype[Any]) -> npt.NDArray[Any]:
        """Return the nearest values that the type can hold."""
        if self.is_identity:
            return real.astype(dtype)
        limits = np.iinfo(dtype)
        integers = np.rint(real / self.scale) + self.zero_point
        return np.asarray(integers.clip(limits.min, limits.max), dtype)

    def dequantise(self, values: npt.NDArray[Any]) -> Floats:
        """Return the real numbers, float32."""
        floats = values.astype(np.float32)
        if self.is_identity:
            return floats
        return (floats - np.float32(self.zero_point)) * np.float32(self.scale)


FLOAT = Quantisation()
