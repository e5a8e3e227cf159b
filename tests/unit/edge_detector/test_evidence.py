import cv2
import numpy as np
import pytest
from edge_detector import evidence
from edge_detector.vision.arrays import Picture
from hypothesis import given
from hypothesis import strategies as st
from maskwatch_proto.alert import Label

_FACE = np.array((40, 30, 80, 90), np.float32)


def _decoded(data: bytes) -> Picture:
    return np.asarray(cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR), np.uint8)


def _noise(height: int, width: int) -> Picture:
    return np.random.default_rng(1).integers(0, 255, (height, width, 3), np.uint8)


def test_small_frame_keeps_its_size_and_shows_the_face_framed() -> None:
    frame = np.full((120, 160, 3), 128, np.uint8)

    made = evidence.encode(frame, _FACE, Label.NO_MASK, size_bytes_max=150_000)

    picture = _decoded(made.data)
    assert picture.shape == (120, 160, 3)
    assert (made.width_px, made.height_px) == (160, 120)
    assert made.face_px.tolist() == _FACE.tolist()
    blue, green, red = (int(value) for value in picture[60, 40])
    assert red > 150 > max(blue, green)
    assert np.abs(picture[60, 60].astype(int) - 128).max() < 10


def test_frame_itself_is_not_drawn_on() -> None:
    frame = np.full((120, 160, 3), 128, np.uint8)

    evidence.encode(frame, _FACE, Label.BAD_MASK, size_bytes_max=150_000)

    assert (frame == 128).all()


def test_wide_frame_is_scaled_and_the_face_with_it() -> None:
    frame = np.full((1080, 1920, 3), 128, np.uint8)

    made = evidence.encode(frame, _FACE, Label.NO_MASK, size_bytes_max=150_000)

    assert (made.width_px, made.height_px) == (960, 540)
    assert made.face_px.tolist() == (_FACE / 2).tolist()


def test_quality_goes_before_pixels() -> None:
    frame = _noise(480, 640)
    fine = evidence.encode(frame, _FACE, Label.NO_MASK, size_bytes_max=10**7)

    coarse = evidence.encode(frame, _FACE, Label.NO_MASK, size_bytes_max=len(fine.data) - 1)

    assert len(coarse.data) < len(fine.data)
    assert coarse.width_px == fine.width_px == 640


@pytest.mark.parametrize("size_bytes_max", [1024, 4096, 40_000])
@pytest.mark.parametrize(("height", "width"), [(720, 1280), (3000, 40), (40, 3000), (1, 1)])
def test_evidence_is_never_larger_than_allowed(
    size_bytes_max: int, height: int, width: int
) -> None:
    made = evidence.encode(
        _noise(height, width), _FACE, Label.NO_MASK, size_bytes_max=size_bytes_max
    )

    assert len(made.data) <= size_bytes_max
    assert _decoded(made.data).shape == (made.height_px, made.width_px, 3)


@given(
    height=st.integers(1, 300),
    width=st.integers(1, 1500),
    corners=st.tuples(*[st.floats(0, 1, width=32)] * 4),
    size_bytes_max=st.integers(1024, 50_000),
)
def test_face_stays_where_it_was_in_the_frame(
    height: int, width: int, corners: tuple[float, float, float, float], size_bytes_max: int
) -> None:
    xs, ys = sorted(corners[::2]), sorted(corners[1::2])
    face = np.array([xs[0], ys[0], xs[1], ys[1]], np.float32) * np.array(
        [width, height] * 2, np.float32
    )

    made = evidence.encode(
        np.zeros((height, width, 3), np.uint8), face, Label.NO_MASK, size_bytes_max=size_bytes_max
    )

    assert made.width_px <= evidence.WIDTH_PX_MAX
    relative = made.face_px / np.array([made.width_px, made.height_px] * 2, np.float32)
    assert np.allclose(relative, [xs[0], ys[0], xs[1], ys[1]], atol=1e-4)
