"""Integers that stand for real numbers: real = (integer - zero_point) * scale."""

from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

from edge_detector.vision.arrays import Floats, Picture


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


class PixelCode:
    """How the 256 values of a pixel stand in an input tensor.

    Args:
        dtype: The tensor's type.
        quantisation: How its integers stand for real numbers.
        reals: The real numbers that stand for the pixel values 0 and 255.
    """

    def __init__(
        self,
        dtype: npt.DTypeLike,
        quantisation: Quantisation = FLOAT,
        *,
        reals: tuple[float, float] = (0.0, 255.0),
    ) -> None:
        low, high = reals
        values = low + np.arange(256) * ((high - low) / 255)
        self._table = quantisation.quantise(values, np.dtype(dtype))
        self._is_cast = bool((self._table == np.arange(256)).all())

    def __getitem__(self, pixel: int) -> Any:
        """Return what stands for one pixel value, in [0, 255]."""
        return self._table[pixel]

    def write(self, pixels: Picture, target: npt.NDArray[Any]) -> None:
        """Write pixels into a tensor, or part of one, of the same shape."""
        if self._is_cast:
            np.copyto(target, pixels, casting="unsafe")
        else:
            target[...] = cv2.LUT(pixels, self._table).reshape(target.shape)
