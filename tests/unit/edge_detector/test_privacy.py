import cv2
import numpy as np
import pytest
from edge_detector import privacy
from edge_detector.privacy import Mode, Plan, Present
from edge_detector.vision.arrays import Floats, Picture
from hypothesis import given
from hypothesis import strategies as st

_FIRST, _SECOND = (20, 20, 60, 60), (100, 20, 140, 60)


def _noise(seed: int = 1) -> Picture:
    return np.random.default_rng(seed).integers(0, 255, (90, 160, 3), np.uint8)


def _rows(*boxes: tuple[float, ...]) -> Floats:
    return np.array(boxes, np.float32).reshape(-1, 4)


def _is_hidden(picture: Picture, box: tuple[int, ...]) -> bool:
    left, top, right, bottom = box
    # Noise has a Laplacian of thousands; four cells spread over a face have hardly any.
    part = cv2.cvtColor(picture[top:bottom, left:right], cv2.COLOR_BGR2GRAY)
    return float(cv2.Laplacian(part, cv2.CV_32F).var()) < 20


def test_evidence_is_the_frame_itself() -> None:
    frame = _noise()

    assert privacy.shown(frame, Present(_rows(_FIRST), _rows()), Plan()) is frame


def test_statistics_show_nothing() -> None:
    assert privacy.shown(_noise(), Present(_rows(), _rows()), Plan(Mode.STATS)) is None


@pytest.mark.parametrize(
    ("violators", "blurs_violators", "hidden"),
    [
        ((), False, (True, True)),
        ((_FIRST,), False, (False, True)),
        ((_FIRST, _SECOND), False, (False, False)),
        ((_FIRST,), True, (True, True)),
    ],
)
def test_faces_are_blurred_but_those_of_violators(
    violators: tuple[tuple[int, ...], ...], hidden: tuple[bool, bool], *, blurs_violators: bool
) -> None:
    present = Present(_rows(_FIRST, _SECOND), _rows(*violators))

    picture = privacy.shown(_noise(), present, Plan(Mode.BLURRED, blurs_violators=blurs_violators))

    assert picture is not None
    assert (_is_hidden(picture, _FIRST), _is_hidden(picture, _SECOND)) == hidden


def test_frame_is_left_as_it_was() -> None:
    frame = _noise()
    privacy.blurred(frame, _rows(_FIRST))

    assert (frame == _noise()).all()


def test_picture_of_one_violator_hides_the_other() -> None:
    present = Present(_rows(_FIRST, _SECOND), _rows(_FIRST, _SECOND))
    alone = privacy.of_one(present, _rows(_FIRST)[0])

    picture = privacy.shown(_noise(), alone, Plan(Mode.BLURRED))

    assert picture is not None
    assert (_is_hidden(picture, _FIRST), _is_hidden(picture, _SECOND)) == (False, True)


def test_face_found_again_a_little_elsewhere_is_still_the_violator() -> None:
    present = Present(_rows(_FIRST, (23, 18, 64, 59)), _rows(_FIRST))

    picture = privacy.shown(_noise(), present, Plan(Mode.BLURRED))

    assert picture is not None
    assert not _is_hidden(picture, _FIRST)


def test_nothing_of_a_face_is_left_but_a_few_cells() -> None:
    """Two faces with the same averages in each cell become the same picture."""
    frame = _noise()
    other = frame.copy()
    # Within one cell pixels change places: everything that would tell them apart is gone.
    cell = other[32:44, 32:44].reshape(-1, 3)
    other[32:44, 32:44] = np.random.default_rng(2).permutation(cell).reshape(12, 12, 3)
    box = _rows((20, 20, 65, 65))

    first, second = (privacy.blurred(one, box).astype(int) for one in (frame, other))

    assert np.abs(frame.astype(int) - other.astype(int)).max() > 100
    assert np.abs(first - second)[20:60, 20:60].max() <= 12


@given(
    corners=st.lists(st.tuples(*[st.floats(-50, 250, width=32)] * 4), max_size=4),
    size=st.tuples(st.integers(1, 60), st.integers(1, 60)),
)
def test_boxes_of_any_kind_are_survived(
    corners: list[tuple[float, float, float, float]], size: tuple[int, int]
) -> None:
    frame = np.zeros((*size, 3), np.uint8)

    assert privacy.blurred(frame, _rows(*corners)).shape == frame.shape
