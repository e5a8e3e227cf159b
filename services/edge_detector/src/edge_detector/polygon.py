"""Polygons in shares of a frame, checked before anybody relies on them."""

import itertools
from collections.abc import Sequence

Point = tuple[float, float]

_CORNERS_MIN = 3
# Shares: less than a pixel of a frame of 1000 x 1000.
_AREA_MIN = 1e-6


def checked(corners: tuple[Point, ...]) -> tuple[Point, ...]:
    """Return the corners if they bound one area inside the frame.

    Args:
        corners: In order, shares of the frame's width and height; the last is joined to the first.

    Raises:
        ValueError: Too few corners, one outside the frame, or sides that cross or touch.
    """
    if len(corners) < _CORNERS_MIN:
        raise ValueError(f"a polygon has at least {_CORNERS_MIN} corners, this one {len(corners)}")
    for x, y in corners:
        if not (0 <= x <= 1 and 0 <= y <= 1):
            raise ValueError(
                f"the corner ({x:g}, {y:g}) is outside the frame: corners are shares"
                " of its width and height, 0 to 1, not pixels"
            )
    sides = list(itertools.pairwise((*corners, corners[0])))
    if any(a == b for a, b in sides):
        raise ValueError("a polygon names a corner twice in a row")
    for (i, first), (j, second) in itertools.combinations(enumerate(sides), 2):
        is_neighbour = j == i + 1 or (i == 0 and j == len(sides) - 1)
        if _folds(first, second) if is_neighbour else _meet(first, second):
            raise ValueError(f"sides {i + 1} and {j + 1} of a polygon cross or touch each other")
    if _area(corners) < _AREA_MIN:
        raise ValueError("a polygon has no area")
    return corners


def _turn(a: Point, b: Point, c: Point) -> float:
    """Return the sign of the turn from a over b to c: 0 when they are in a line."""
    value = (b[0] - a[0]) * (c[1] - a[1]) - (b[1] - a[1]) * (c[0] - a[0])
    return 0.0 if abs(value) < 1e-12 else value


def _is_between(a: Point, b: Point, c: Point) -> bool:
    """Return whether c, in a line with a and b, lies from a to b."""
    return min(a[0], b[0]) <= c[0] <= max(a[0], b[0]) and min(a[1], b[1]) <= c[1] <= max(a[1], b[1])


def _meet(first: tuple[Point, Point], second: tuple[Point, Point]) -> bool:
    (a, b), (c, d) = first, second
    turns = _turn(a, b, c), _turn(a, b, d), _turn(c, d, a), _turn(c, d, b)
    if turns[0] * turns[1] < 0 and turns[2] * turns[3] < 0:
        return True
    ends = ((a, b, c), (a, b, d), (c, d, a), (c, d, b))
    return any(turn == 0 and _is_between(*points) for turn, points in zip(turns, ends, strict=True))


def _folds(first: tuple[Point, Point], second: tuple[Point, Point]) -> bool:
    """Return whether two sides with a common corner lie on each other."""
    shared = first[1] if first[1] in second else first[0]
    far = first[0] if shared == first[1] else first[1]
    other = second[1] if shared == second[0] else second[0]
    return _turn(far, shared, other) == 0 and (
        _is_between(shared, far, other) or _is_between(shared, other, far)
    )


def _area(corners: Sequence[Point]) -> float:
    closed = itertools.pairwise((*corners, corners[0]))
    return abs(sum(ax * by - bx * ay for (ax, ay), (bx, by) in closed)) / 2
