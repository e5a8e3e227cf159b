import numpy as np
import pytest
from edge_detector.vision.arrays import Picture
from edge_detector.vision.letterbox import Letterbox
from edge_detector.vision.quantisation import FLOAT, Quantisation
from hypothesis import assume, given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays


def _plain(height: int, width: int, bgr: tuple[int, int, int]) -> Picture:
    return np.full((height, width, 3), bgr, np.uint8)


@pytest.mark.parametrize(
    ("height", "width", "covered"),
    [
        (64, 64, (64, 64)),
        (48, 64, (48, 64)),
        (200, 100, (64, 32)),
        (1, 1, (64, 64)),
        (1, 500, (1, 64)),
    ],
)
def test_frame_lies_at_the_top_left_in_rgb_and_grey_fills_the_rest(
    height: int, width: int, covered: tuple[int, int]
) -> None:
    tensor, scale = Letterbox(64, fill=114).fit(_plain(height, width, (10, 20, 30)))

    assert tensor.shape == (1, 64, 64, 3)
    assert tensor.dtype == np.float32
    assert scale == pytest.approx(64 / max(height, width))
    assert (tensor[0, : covered[0], : covered[1]] == (30, 20, 10)).all()
    outside = np.ones((64, 64), bool)
    outside[: covered[0], : covered[1]] = False
    assert (tensor[0][outside] == 114).all()


def test_smaller_frame_leaves_nothing_of_the_one_before() -> None:
    letterbox = Letterbox(64, fill=114)
    letterbox.fit(_plain(64, 64, (255, 255, 255)))

    tensor, _ = letterbox.fit(_plain(16, 64, (0, 0, 0)))

    assert set(np.unique(tensor)) == {0, 114}


@given(height=st.integers(1, 400), width=st.integers(1, 400), data=st.data())
def test_point_of_the_frame_is_found_at_its_scaled_place(
    height: int, width: int, data: st.DataObject
) -> None:
    """A white quarter of the frame stays the same quarter, whatever the frame's shape."""
    frame = _plain(height, width, (0, 0, 0))
    top, left = data.draw(st.booleans()), data.draw(st.booleans())
    rows = slice(0, height // 2) if top else slice(height // 2, height)
    columns = slice(0, width // 2) if left else slice(width // 2, width)
    frame[rows, columns] = 255

    tensor, scale = Letterbox(32, fill=0).fit(frame)

    assume(min(height, width) * scale >= 2)  # in a single row both halves are the same pixels
    middle = np.array([(rows.start + rows.stop) / 2, (columns.start + columns.stop) / 2]) * scale
    white = np.argwhere(tensor[0, :, :, 0] > 127)
    if len(white):
        assert np.allclose(white.mean(axis=0) + 0.5, middle, atol=1.5)


@pytest.mark.parametrize(
    ("dtype", "quantisation"),
    [
        (np.int8, Quantisation(1.0, -128)),
        (np.uint8, Quantisation(1.0, 0)),
        (np.int8, Quantisation(2.0, -100)),
    ],
)
def test_quantised_input_stands_for_the_same_values(
    dtype: type[np.int8 | np.uint8], quantisation: Quantisation
) -> None:
    letterbox = Letterbox(32, fill=114, dtype=dtype, quantisation=quantisation)

    tensor, _ = letterbox.fit(_plain(16, 32, (0, 128, 255)))

    assert tensor.dtype == dtype
    real = quantisation.dequantise(tensor)
    assert np.allclose(real[0, 5, 5], (255, 128, 0), atol=quantisation.scale / 2)
    assert np.allclose(real[0, 20, 5], 114, atol=quantisation.scale / 2)


@given(
    values=arrays.arrays(np.int8, 20),
    scale=st.floats(2**-10, 8, width=32),
    zero_point=st.integers(-128, 127),
)
def test_integers_survive_dequantising_and_quantising(
    values: np.ndarray[tuple[int], np.dtype[np.int8]], scale: float, zero_point: int
) -> None:
    quantisation = Quantisation(scale, zero_point)

    again = quantisation.quantise(quantisation.dequantise(values), np.dtype(np.int8))

    assert (again == values).all()


def test_values_that_are_not_quantised_stay_as_they_are() -> None:
    values = np.array([0.25, 7], np.float32)

    assert (FLOAT.dequantise(values) == values).all()
    assert (FLOAT.quantise(values, np.dtype(np.float32)) == values).all()
