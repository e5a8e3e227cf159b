import numpy as np
import pytest
from edge_detector.vision import crops
from edge_detector.vision.arrays import Picture
from edge_detector.vision.crops import Square
from hypothesis import given
from hypothesis import strategies as st
from maskwatch_training.classifier import crops as trained


@pytest.fixture
def picture() -> Picture:
    return np.random.default_rng(5).integers(0, 255, (60, 80, 3), np.uint8)


def test_square_has_the_longer_side_and_the_margin_on_every_side() -> None:
    box = np.array([10, 20, 30, 60], np.float32)

    assert crops.square(box, margin=0) == Square(0, 20, 40)
    assert crops.square(box, margin=0.25) == Square(-10, 10, 60)


def test_square_within_the_frame_is_cut_as_it_is(picture: Picture) -> None:
    cut = crops.cut(picture, Square(20, 10, 32), size_px=32)

    assert (cut == picture[10:42, 20:52]).all()


def test_what_lies_beyond_the_frame_is_grey(picture: Picture) -> None:
    cut = crops.cut(picture, Square(-8, -4, 16), size_px=16)

    assert (cut[:4] == 114).all()
    assert (cut[:, :8] == 114).all()
    assert (cut[4:, 8:] == picture[:12, :8]).all()


def test_smallest_box_at_the_edge_is_a_picture(picture: Picture) -> None:
    box = np.array([79.6, 59.6, 80, 60], np.float32)

    cut = crops.cut(picture, crops.square(box, margin=0), size_px=32)

    assert cut.shape == (32, 32, 3)


_side = st.floats(0, 100, width=32)


@given(
    left=_side, top=_side, wide=st.floats(4, 90), high=st.floats(4, 90), margin=st.floats(0, 0.5)
)
def test_device_sees_what_training_has_shown(
    left: float, top: float, wide: float, high: float, margin: float
) -> None:
    frame = np.random.default_rng(5).integers(0, 255, (100, 120, 3), np.uint8)
    box = np.array([left, top, left + wide, top + high], np.float32).clip(0, [120, 100, 120, 100])
    if (box[2:] - box[:2]).min() < 2:
        return
    box = box.astype(np.float32)

    ours = crops.cut(frame, crops.square(box, margin=margin), size_px=48)
    theirs = trained.cut(frame, box, margin=margin, size_px=48)

    assert (ours == theirs).all()
