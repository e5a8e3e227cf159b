import numpy as np
import pytest
from maskwatch_training.capture import session as table
from maskwatch_training.capture.session import Face, Frame, Refused, Session

SMALL, LARGE = (5.0, 5.0, 20.0, 20.0), (30.0, 10.0, 90.0, 70.0)


def _frame() -> Frame:
    return Frame(np.zeros((80, 100, 3), np.uint8), "here")


def _shown(*faces: Face) -> Session:
    return table.show(Session(), _frame(), faces or (Face(SMALL), Face(LARGE)))


def test_largest_face_is_meant_first() -> None:
    assert _shown().selected == 1
    assert table.show(Session(), _frame(), ()).selected is None


def test_meant_face_is_followed_to_the_next_frame() -> None:
    before = table.select(_shown(), 0)
    moved = (Face(LARGE), Face((7, 6, 22, 21)))
    assert table.show(before, _frame(), moved).selected == 1
    gone = (Face(LARGE), Face((60, 60, 75, 75)))
    assert table.show(before, _frame(), gone).selected == 0


def test_picture_is_complete_when_every_face_has_a_label() -> None:
    one = table.label(_shown(), "mask")
    assert (one.selected, one.is_complete, one.is_held) == (0, False, True)
    assert table.label(one, "no_mask").is_complete
    assert not table.show(Session(), _frame(), ()).is_complete


def test_label_can_be_changed() -> None:
    changed = table.label(table.select(table.label(_shown(), "mask"), 1), "bad_mask")
    assert [face.label for face in changed.faces] == [None, "bad_mask"]


@pytest.mark.parametrize("name", ["veil", "", "MASK"])
def test_unknown_label_is_refused(name: str) -> None:
    with pytest.raises(Refused, match="none of mask, no_mask, bad_mask"):
        table.label(_shown(), name)


def test_steps_without_a_face_are_refused() -> None:
    bare = table.show(Session(), _frame(), ())
    with pytest.raises(Refused, match="no face is selected"):
        table.label(bare, "mask")
    with pytest.raises(Refused, match="no face is selected"):
        table.remove(bare)
    with pytest.raises(Refused, match="face 3 is not there"):
        table.select(_shown(), 2)
    with pytest.raises(Refused, match="no picture"):
        table.draw(Session(), Face(LARGE))


def test_placed_box_is_cut_at_the_picture_and_loses_eyes_outside() -> None:
    session = _shown(Face(LARGE, eyes=((40.0, 20.0), (80.0, 20.0))))
    placed = table.place(session, (20.0, 10.0, 60.0, 500.0)).faces[0]
    assert placed.box == (20.0, 10.0, 60.0, 80.0)
    assert placed.eyes == ((40.0, 20.0),)


def test_box_too_small_is_refused() -> None:
    with pytest.raises(Refused, match="too small"):
        table.place(_shown(), (10, 10, 12, 60))
    with pytest.raises(Refused, match="too small"):
        table.draw(_shown(), Face((200, 200, 300, 300)))


def test_drawn_box_is_meant_and_removed_again() -> None:
    drawn = table.draw(_shown(), Face((50, 50, 70, 75)))
    assert (len(drawn.faces), drawn.selected) == (3, 2)
    removed = table.remove(drawn)
    assert removed.faces == _shown().faces
    assert removed.selected == 1
    assert table.remove(table.remove(removed)).selected is None


def test_faces_are_selected_in_turn() -> None:
    first = table.select_next(_shown())
    assert (first.selected, table.select_next(first).selected) == (0, 1)
    assert table.select_next(Session()) == Session()


def test_smallest_box_around_a_point_is_selected() -> None:
    session = _shown(Face(LARGE), Face((40, 20, 60, 40)))
    assert table.select_at(session, (50, 30)).selected == 1
    assert table.select_at(session, (85, 65)).selected == 0
    assert table.select_at(session, (1, 1)).selected == session.selected


def test_empty_table_cannot_be_held() -> None:
    assert not table.hold(Session()).is_held
    assert table.hold(_shown()).is_held
    assert not table.release(table.hold(_shown())).is_held


def test_digest_tells_pictures_apart_by_size_and_pixels() -> None:
    flat = Frame(np.zeros((10, 20, 3), np.uint8), "a")
    same = Frame(np.zeros((10, 20, 3), np.uint8), "b")
    turned = Frame(np.zeros((20, 10, 3), np.uint8), "a")
    assert flat.digest == same.digest != turned.digest
