import cv2
import numpy as np
from maskwatch_training import views
from maskwatch_training.views import View, Window


def _picture(width: int, height: int, *boxes: list[float]) -> View:
    image = np.full((height, width, 3), 200, np.uint8)
    return views.whole(
        image,
        np.array(boxes, np.float32).reshape(-1, 4),
        np.zeros(len(boxes), np.int64),
    )


def test_letterbox_scales_to_fit_and_fills_the_rest_with_grey() -> None:
    boxed = views.letterbox(_picture(640, 320, [100, 100, 200, 220]), 320)
    assert boxed.image.shape == (320, 320, 3)
    assert (boxed.image[:159] == 200).all()
    assert (boxed.image[161:] == views.FILL).all()
    np.testing.assert_allclose(boxed.boxes_px, [[50, 50, 100, 110]], atol=1e-4)


def test_letterbox_puts_an_edge_where_the_boxes_say_it_is() -> None:
    shown = _picture(640, 480)
    shown.image[:, 320:] = 0
    columns = views.letterbox(shown, 320).image[100, :, 0]
    assert columns[158] > 150
    assert columns[161] < 50


def test_view_without_faces_has_empty_boxes() -> None:
    shown = views.look(
        _picture(64, 64), Window(0, 0, 64, 64), (32, 32), interpolation=cv2.INTER_LINEAR
    )
    assert shown.boxes_px.shape == (0, 4)
    assert shown.ignored_px.shape == (0, 4)


def test_face_cut_in_half_is_ignored_rather_than_background() -> None:
    shown = views.look(
        _picture(100, 100, [0, 0, 40, 40], [60, 60, 80, 80]),
        Window(30, 0, 70, 70),
        (70, 70),
        interpolation=cv2.INTER_LINEAR,
    )
    np.testing.assert_allclose(shown.boxes_px, [[30, 60, 50, 70]], atol=1e-4)
    np.testing.assert_allclose(shown.ignored_px, [[0, 0, 10, 40]], atol=1e-4)


def test_face_too_small_to_see_is_ignored() -> None:
    boxed = views.letterbox(_picture(640, 640, [0, 0, 7, 7], [0, 0, 8, 8]), 320)
    assert len(boxed.labels) == 1
    assert len(boxed.ignored_px) == 1


def test_window_beyond_the_photo_shows_grey() -> None:
    shown = views.look(
        _picture(10, 10), Window(50, 50, 10, 10), (8, 8), interpolation=cv2.INTER_AREA
    )
    assert (shown.image == views.FILL).all()


def test_flip_twice_is_identity() -> None:
    shown = _picture(50, 40, [5, 5, 20, 30])
    twice = views.flip(views.flip(shown))
    np.testing.assert_allclose(twice.boxes_px, shown.boxes_px)
    assert (twice.image == shown.image).all()
