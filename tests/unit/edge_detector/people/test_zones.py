import numpy as np
import pytest
from edge_detector.people import zones
from edge_detector.people.zones import Zones
from edge_detector.vision.arrays import Floats
from hypothesis import given
from hypothesis import strategies as st

_LEFT = ((0.0, 0.0), (0.5, 0.0), (0.5, 1.0), (0.0, 1.0))
_CORNER = ((0.0, 0.5), (0.5, 1.0), (0.0, 1.0))
_U = ((0, 0), (1, 0), (1, 1), (0.7, 1), (0.7, 0.3), (0.3, 0.3), (0.3, 1), (0, 1))
_SIZE = (200, 100)


def _face(x: float, chin_y: float) -> Floats:
    return np.array([[x - 10, chin_y - 20, x + 10, chin_y]], np.float32)


@pytest.mark.parametrize(
    ("place", "drawn", "expected"),
    [
        ((150, 50), Zones(), True),
        ((50, 50), Zones(include=(_LEFT,)), True),
        ((150, 50), Zones(include=(_LEFT,)), False),
        ((50, 50), Zones(exclude=(_LEFT,)), False),
        ((150, 50), Zones(exclude=(_LEFT,)), True),
        ((20, 90), Zones(include=(_LEFT,), exclude=(_CORNER,)), False),
        ((50, 30), Zones(include=(_LEFT,), exclude=(_CORNER,)), True),
        ((150, 50), Zones(include=(_LEFT, ((0.5, 0.0), (1.0, 0.0), (1.0, 1.0)))), True),
        # Between the arms of the U, and in one of them.
        ((100, 80), Zones(include=(_U,)), False),
        ((30, 80), Zones(include=(_U,)), True),
    ],
)
def test_face_counts_where_its_chin_is(
    place: tuple[float, float], drawn: Zones, *, expected: bool
) -> None:
    assert zones.required(_face(*place), drawn, size_wh=_SIZE).tolist() == [expected]


def test_chin_decides_and_not_the_middle_of_the_face() -> None:
    upper = Zones(include=(((0, 0), (1, 0), (1, 0.5), (0, 0.5)),))

    assert not zones.required(_face(100, 55), upper, size_wh=_SIZE)[0]
    assert zones.required(_face(100, 45), upper, size_wh=_SIZE)[0]


def test_face_cut_by_the_lower_edge_belongs_to_the_whole_picture() -> None:
    whole = Zones(include=(((0, 0), (1, 0), (1, 1), (0, 1)),))

    assert zones.required(_face(100, 100), whole, size_wh=_SIZE)[0]


def test_no_face_is_no_answer() -> None:
    nobody = np.empty((0, 4), np.float32)

    assert zones.required(nobody, Zones(include=(_LEFT,)), size_wh=_SIZE).tolist() == []


@given(
    x=st.floats(0.01, 0.99),
    y=st.floats(0.01, 0.99),
    turn=st.integers(0, 7),
    is_reversed=st.booleans(),
)
def test_polygon_is_the_same_from_whichever_corner_and_side_it_is_drawn(
    x: float, y: float, turn: int, *, is_reversed: bool
) -> None:
    point = np.array([[x, y]], np.float32)
    drawn = (*_U[turn:], *_U[:turn])
    drawn = drawn[::-1] if is_reversed else drawn
    on_an_edge = any(abs(value - edge) < 1e-5 for value in (x, y) for edge in (0.3, 0.7))

    inside = not (0.3 < x < 0.7 and y > 0.3)
    assert on_an_edge or zones.contains(drawn, point)[0] == inside
