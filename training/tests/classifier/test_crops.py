import numpy as np
import pytest
from maskwatch_training.arrays import Floats, Image
from maskwatch_training.classifier import crops, cuts, draw
from maskwatch_training.views import FILL


def _box(*values: float) -> Floats:
    return np.array(values, np.float32)


def test_cut_is_a_square_around_the_middle_with_the_margin_on_each_side() -> None:
    picture = np.zeros((100, 100, 3), np.uint8)
    picture[30:70, 30:70] = 255  # just what a box of 20 with a margin of .5 shows
    shown = crops.cut(picture, _box(42, 40, 58, 60), margin=0.5, size_px=32)
    assert shown.shape == (32, 32, 3)
    assert shown.min() == 255
    wider = crops.cut(picture, _box(42, 40, 58, 60), margin=1.0, size_px=32)
    assert wider[0, 0, 0] == 0
    assert wider[16, 16, 0] == 255


def test_what_lies_beyond_the_frame_is_grey() -> None:
    picture = np.full((50, 50, 3), 200, np.uint8)
    shown = crops.cut(picture, _box(-20, -20, 20, 20), margin=0.0, size_px=40)
    assert (shown[:20] == FILL).all()
    assert (shown[:, :20] == FILL).all()
    assert (shown[20:, 20:] == 200).all()
    nothing = crops.cut(picture, _box(200, 200, 220, 230), margin=0.2, size_px=16)
    assert (nothing == FILL).all()


@pytest.mark.parametrize("box", [(60.0, 50.0, 100.0, 110.0), (2.0, 3.0, 190.0, 180.0)])
def test_patch_shows_in_a_training_cut_what_the_model_will_see(
    smooth: Image, box: tuple[float, ...]
) -> None:
    kept = crops.patch(smooth, _box(*box), 0, margin=0.2, size_px=32)
    middle = ((kept.box_px[:2] + kept.box_px[2:]) / 2).astype(np.float32)
    laid = draw.lay(kept.image, draw.Pose(middle, crops.side(kept.box_px, 0.2)), 32)
    cut = crops.cut(smooth, _box(*box), margin=0.2, size_px=32)
    assert np.abs(laid.astype(int) - cut.astype(int)).mean() < 6
    assert max(kept.image.shape) <= 2.5 * 32 + 1


def test_patch_of_a_box_at_the_corner_has_an_area(smooth: Image) -> None:
    kept = crops.patch(smooth, _box(279, 199, 300, 220), 1, margin=0.0, size_px=32)
    assert min(kept.image.shape[:2]) >= 2
    assert kept.label == 1


def test_grey_input_has_one_channel(smooth: Image) -> None:
    assert crops.as_input(smooth, "GREY").shape == (*smooth.shape[:2], 1)
    assert crops.as_input(smooth, "RGB") is smooth


def test_tight_photo_shows_the_box_and_hardly_more(smooth: Image) -> None:
    shown, box = cuts.tight_photo(smooth, _box(40, 30, 100, 130))
    assert shown.shape == (240, 240, 3)
    sides = box[2:] - box[:2]
    assert sides[1] / 240 == pytest.approx(100 / 110, abs=0.02)
    assert (shown[120, :20] == FILL).all()  # upright faces leave grey at both sides
    assert (shown[120, 80:160] != FILL).any()
