import numpy as np
import pytest
from devstack.portraits import Person
from edge_detector.people import appearance
from edge_detector.people.tracker import Box
from edge_detector.vision.arrays import Floats, Picture

from benchmarks.edge import stage

_WARDROBE = ("collins", "collins in blue", "hopper in mask")


def _seen(person: Person, *, x: int = 40, light: float = 1.0) -> tuple[Picture, Box]:
    """Return the person before a wall, and the face in the picture."""
    height, width = person.picture.shape[:2]
    wall = np.full((height, width + 2 * x, 3), 150.0)
    wall[:, x : x + width] *= 1 - person.alpha
    wall[:, x : x + width] += person.alpha * person.picture
    left, top, right, bottom = person.face_px
    return (wall * light).clip(0, 255).astype(np.uint8), (left + x, top, right + x, bottom)


def _look(name: str, *, light: float = 1.0, shift_px: int = 0) -> Floats:
    picture, (left, top, right, bottom) = _seen(stage.wardrobe(name), light=light)
    found = appearance.describe(picture, (left + shift_px, top, right + shift_px, bottom))
    assert found is not None
    return found


@pytest.mark.parametrize("name", _WARDROBE)
@pytest.mark.parametrize("light", [0.7, 1.15])
def test_same_clothes_look_alike_in_other_light_and_from_another_box(
    name: str, light: float
) -> None:
    assert appearance.distance(_look(name), _look(name, light=light, shift_px=8)) < 0.45


@pytest.mark.parametrize(
    ("one", "other"),
    [("collins", "collins in blue"), ("collins", "hopper in mask")],
)
def test_other_clothes_look_different(one: str, other: str) -> None:
    assert appearance.distance(_look(one), _look(other)) > 0.65


def test_mask_does_not_change_the_look() -> None:
    assert appearance.distance(_look("hopper"), _look("hopper in mask")) < 0.2


def test_histogram_sums_to_one_and_has_no_distance_from_itself() -> None:
    look = _look("collins")

    assert look.sum() == pytest.approx(1.0)
    assert appearance.distance(look, look) == pytest.approx(0.0, abs=1e-3)
    assert appearance.distance(look, np.roll(look, 39)) <= 1.0


@pytest.mark.parametrize("box", [(10, 60, 60, 99), (-80, 10, -20, 40), (10, 10, 10, 20)])
def test_clothes_out_of_sight_say_nothing(box: Box) -> None:
    assert appearance.describe(np.zeros((100, 100, 3), np.uint8), box) is None
