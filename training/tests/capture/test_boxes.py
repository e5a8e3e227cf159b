import pytest
from maskwatch_training.capture import boxes
from maskwatch_training.capture.boxes import WHOLE, Box, Grip, Point

BOX: Box = (20.0, 20.0, 60.0, 80.0)
SIZE = (100, 100)


@pytest.mark.parametrize(
    ("at", "held"),
    [
        ((5, 5), None),
        ((18, 18), Grip("low", "low")),
        ((61, 79), Grip("high", "high")),
        ((40, 22), Grip(None, "low")),
        ((59, 50), Grip("high", None)),
        ((40, 50), WHOLE),
    ],
)
def test_hand_holds_corner_edge_box_or_nothing(at: Point, held: Grip | None) -> None:
    assert boxes.grip(BOX, at, reach_px=4) == held


def test_middle_of_a_small_box_can_be_held() -> None:
    assert boxes.grip((10, 10, 19, 19), (14.5, 14.5), reach_px=20) == WHOLE


@pytest.mark.parametrize(
    ("held", "by", "dragged"),
    [
        (WHOLE, (5, -5), (25, 15, 65, 75)),
        (WHOLE, (500, 500), (60, 40, 100, 100)),
        (WHOLE, (-500, -500), (0, 0, 40, 60)),
        (Grip("low", "high"), (-10, 10), (10, 20, 60, 90)),
        (Grip("high", None), (500, 500), (20, 20, 100, 80)),
        (Grip("low", None), (500, 0), (52, 20, 60, 80)),
        (Grip(None, "high"), (0, -500), (20, 20, 60, 28)),
    ],
)
def test_dragged_box_stays_inside_and_keeps_a_least_side(
    held: Grip, by: Point, dragged: Box
) -> None:
    assert boxes.drag(BOX, held, by, SIZE) == dragged


def test_box_grows_and_shrinks_until_it_would_vanish() -> None:
    assert boxes.grow(BOX, 0.1, SIZE) == (14, 14, 66, 86)
    assert boxes.grow((0, 0, 9, 9), -0.1, SIZE) == (0, 0, 9, 9)


def test_box_between_two_points_is_cut_at_the_picture() -> None:
    assert boxes.spanned((50, 120), (-5, 10), SIZE) == (0, 10, 50, 100)


def test_overlap_of_boxes() -> None:
    assert boxes.overlap(BOX, BOX) == 1
    assert boxes.overlap(BOX, (60, 20, 90, 80)) == 0
    assert boxes.overlap((0, 0, 2, 2), (1, 0, 3, 2)) == pytest.approx(1 / 3)
    assert boxes.overlap((0, 0, 0, 0), (0, 0, 0, 0)) == 0


def test_box_without_numbers_is_not_usable() -> None:
    assert boxes.is_usable(BOX)
    assert not boxes.is_usable((float("nan"), 0, 50, 50))
