import pytest
from edge_detector import polygon
from edge_detector.polygon import Point

_SQUARE = ((0.1, 0.1), (0.9, 0.1), (0.9, 0.9), (0.1, 0.9))


@pytest.mark.parametrize(
    "corners",
    [
        ((0.0, 0.0), (1.0, 0.0), (0.5, 1.0)),
        _SQUARE,
        tuple(reversed(_SQUARE)),
        # Not convex.
        ((0.1, 0.1), (0.9, 0.1), (0.5, 0.3), (0.9, 0.9), (0.1, 0.9)),
        # A corner in the middle of a side.
        ((0.1, 0.1), (0.5, 0.1), (0.9, 0.1), (0.9, 0.9), (0.1, 0.9)),
    ],
)
def test_polygon_that_bounds_one_area_is_taken(corners: tuple[Point, ...]) -> None:
    assert polygon.checked(corners) == corners


@pytest.mark.parametrize(
    ("corners", "said"),
    [
        ((), "at least 3 corners, this one 0"),
        (_SQUARE[:2], "at least 3 corners, this one 2"),
        ((*_SQUARE[:3], (0.1, 1.01)), "outside the frame"),
        ((*_SQUARE[:3], (-0.1, 0.5)), "outside the frame"),
        (((0, 0), (1280, 0), (1280, 720)), "not pixels"),
        (((0.1, 0.1), (0.9, 0.9), (0.9, 0.1), (0.1, 0.9)), "sides 1 and 3 .* cross"),
        ((*_SQUARE, _SQUARE[0]), "twice in a row"),
        ((_SQUARE[0], _SQUARE[0], *_SQUARE[1:]), "twice in a row"),
        (((0.1, 0.1), (0.9, 0.1), (0.5, 0.1)), "sides 1 and 2 .* touch"),
        # A side lies on the one before it: a spike.
        (((0.1, 0.1), (0.9, 0.1), (0.9, 0.9), (0.9, 0.5), (0.1, 0.9)), "touch each other"),
        # A corner on a side far away.
        (((0.1, 0.1), (0.9, 0.1), (0.9, 0.9), (0.5, 0.1), (0.1, 0.9)), "touch each other"),
        (((0.1, 0.1), (0.1001, 0.1), (0.1, 0.1001)), "no area"),
    ],
)
def test_polygon_that_does_not_is_refused(corners: tuple[Point, ...], said: str) -> None:
    with pytest.raises(ValueError, match=said):
        polygon.checked(corners)
