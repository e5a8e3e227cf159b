"""Names for the array types that pass between modules; shapes stand where they are used."""

import numpy as np
import numpy.typing as npt

Picture = npt.NDArray[np.uint8]
Floats = npt.NDArray[np.float32]
Integers = npt.NDArray[np.intp]
Flags = npt.NDArray[np.bool_]
