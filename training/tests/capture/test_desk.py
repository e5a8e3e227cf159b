import pytest
from maskwatch_training.capture import keys
from maskwatch_training.capture import session as table
from maskwatch_training.capture.desk import Desk, StaleFrame
from maskwatch_training.capture.groups import EachItsOwn, InvalidPerson, OnePerson
from maskwatch_training.capture.store import Store
from maskwatch_training.capture.testing import Sheets, desk_on, frame

ONE, OTHER = (10.0, 10.0, 50.0, 60.0), (60.0, 20.0, 90.0, 60.0)


def _shade(desk: Desk) -> int | None:
    return None if desk.session.frame is None else desk.session.frame.number


def test_last_label_saves_and_brings_the_next_picture(store: Store) -> None:
    desk = desk_on(store, Sheets(frame(1), frame(2)), ONE, OTHER)
    desk.tick()
    desk.label("mask")
    assert store.entries == []
    desk.label("no_mask")
    (entry,) = store.entries
    assert sorted(box["label"] for box in entry["boxes"]) == ["mask", "no_mask"]
    assert entry["group"] == "own/anna"
    assert _shade(desk) == 2
    assert desk.notice.text == "Saved: mask, no_mask"


def test_saved_pictures_are_not_shown_again(store: Store) -> None:
    store.save(frame(1), (), group="g")
    desk = desk_on(store, Sheets(frame(1), frame(2), frame(1)))
    desk.tick()
    assert _shade(desk) == 2
    desk.skip()
    assert desk.has_ended
    assert desk.tally == {"already_saved": 2, "skipped": 1}
    desk.tick()
    desk.skip()
    desk.label("mask")
    assert desk.notice.is_error


def test_undo_brings_the_picture_back_and_the_other_one_waits(store: Store) -> None:
    desk = desk_on(store, Sheets(frame(1), frame(2)))
    desk.tick()
    desk.label("mask")
    desk.undo()
    assert store.entries == []
    assert (_shade(desk), desk.session.faces[0].label) == (1, None)
    desk.label("bad_mask")
    assert _shade(desk) == 2
    assert store.counts["bad_mask"] == 1
    desk.skip()
    desk.undo()
    assert _shade(desk) == 1


def test_undo_takes_labels_back_first(store: Store) -> None:
    desk = desk_on(store, Sheets(frame(1)), ONE, OTHER)
    desk.tick()
    desk.label("mask")
    desk.undo()
    assert [face.label for face in desk.session.faces] == [None, None]
    desk.undo()
    assert desk.notice.is_error


def test_removing_the_last_unlabelled_box_completes_the_picture(store: Store) -> None:
    desk = desk_on(store, Sheets(frame(1)), ONE, OTHER)
    desk.tick()
    desk.label("mask")
    desk.remove()
    assert len(store.entries[0]["boxes"]) == 1
    desk.remove()
    assert desk.notice.is_error


def test_picture_without_face_is_saved_on_request_only(store: Store) -> None:
    desk = desk_on(store, Sheets(frame(1)))
    desk.save_without_face()
    assert desk.notice.is_error
    desk.tick()
    desk.remove()
    assert store.entries == []
    desk.save_without_face()
    assert store.entries[0]["boxes"] == []


def test_live_source_goes_on_until_the_picture_is_held(store: Store) -> None:
    sheets = Sheets(*(frame(n) for n in range(1, 9)), is_live=True)
    desk = desk_on(store, sheets, ONE, OTHER)
    for _ in range(3):
        desk.tick()
    assert _shade(desk) == 3
    desk.label("mask")
    desk.tick()
    assert _shade(desk) == 3
    desk.label("no_mask")
    desk.tick()
    assert _shade(desk) == 4
    keys.toggle_hold(desk)
    desk.tick()
    assert _shade(desk) == 4
    keys.toggle_hold(desk)
    desk.tick()
    assert (_shade(desk), desk.tally["skipped"]) == (5, 1)


def test_live_picture_is_not_saved_twice(store: Store) -> None:
    desk = desk_on(store, Sheets(frame(1), is_live=True))
    desk.tick()
    desk.label("mask")
    desk.label("mask")
    assert len(store.entries) == 1
    assert "saved already" in desk.notice.text


def test_what_was_seen_is_what_is_labelled(store: Store) -> None:
    desk = desk_on(store, Sheets(*(frame(n) for n in range(1, 30)), is_live=True))
    for _ in range(5):
        desk.tick()
    seen = desk.number - 2
    assert desk.frame(seen).number == 3
    desk.recall(seen)
    assert not desk.session.is_held
    desk.label("mask")
    assert store.entries[0]["source"]["number"] == 3
    for _ in range(20):
        desk.tick()
    with pytest.raises(StaleFrame):
        desk.recall(seen)
    with pytest.raises(StaleFrame):
        desk.frame(seen)


def test_picture_waits_while_another_source_is_used(store: Store) -> None:
    folder, live = Sheets(frame(1), frame(2)), Sheets(frame(7), is_live=True)
    desk = desk_on(store, folder)
    desk.tick()
    desk.change_source(live)
    desk.tick()
    assert _shade(desk) == 7
    desk.change_source(folder)
    desk.tick()
    assert _shade(desk) == 1
    desk.skip()
    assert _shade(desk) == 2


def test_drawn_box_gets_its_eyes(store: Store) -> None:
    desk = desk_on(store, Sheets(frame(1)))
    desk.tick()
    desk.draw((20, 30, 60, 70))
    assert desk.session.faces[-1].eyes == ((40, 31),)
    desk.draw((20, 30, 22, 70))
    assert desk.notice.is_error
    assert len(desk.session.faces) == 2


def test_full_disk_keeps_picture_and_labels_for_another_try(store: Store) -> None:
    desk = desk_on(store, Sheets(frame(1), frame(2)))
    desk.tick()
    folder = store.picture("own")
    folder.rmdir()
    folder.write_text("in the way")
    desk.label("mask")
    assert desk.notice.text.startswith("not saved: ")
    assert _shade(desk) == 1
    folder.unlink()
    folder.mkdir()
    desk.label("mask")
    assert (len(store.entries), _shade(desk)) == (1, 2)


def test_deleted_picture_is_erased_and_cannot_be_undone(store: Store) -> None:
    desk = desk_on(store, Sheets(frame(1), frame(2)))
    desk.tick()
    desk.label("mask")
    desk.delete(store.entries[0]["file"])
    assert store.entries == []
    desk.delete("own/absent.jpg")
    assert "not in the set" in desk.notice.text
    desk.undo()
    assert "nothing to undo" in desk.notice.text


def test_folder_that_refuses_a_deletion_loses_nothing(store: Store) -> None:
    desk = desk_on(store, Sheets(frame(1), frame(2)))
    desk.tick()
    desk.label("mask")
    store.path.with_name("own.jsonl.part").mkdir()
    desk.undo()
    assert desk.notice.text.startswith("not deleted: ")
    assert len(store.entries) == 1


def test_person_names_the_group(store: Store) -> None:
    desk = desk_on(store, Sheets(frame(1), frame(2), frame(3)))
    desk.tick()
    desk.next_person()
    desk.label("mask")
    desk.name_person("  bert ")
    desk.label("mask")
    desk.name_person("a/b")
    assert desk.notice.is_error
    desk.label("mask")
    assert [entry["group"] for entry in store.entries] == ["own/anna-2", "own/bert", "own/bert"]


def test_next_person_counts_on() -> None:
    assert OnePerson("anna").following().following() == OnePerson("anna-3")
    each = EachItsOwn("x")
    assert each.group("own", frame(1)) != each.group("own", frame(2))
    with pytest.raises(InvalidPerson, match="person"):
        OnePerson("x").named("")


def test_arrows_and_signs_change_the_meant_box(store: Store) -> None:
    desk = desk_on(store, Sheets(frame(1)))
    for name in ("left", "+", "-"):
        keys.DEEDS[name](desk)
    desk.tick()
    for name in ("left", "up", "right", "down"):
        keys.DEEDS[name](desk)
    assert desk.session.faces[0].box == pytest.approx(ONE)
    keys.DEEDS["+"](desk)
    assert desk.session.faces[0].box == pytest.approx((9, 9, 51, 61))
    desk.change(table.remove)
    keys.DEEDS["left"](desk)
    keys.DEEDS["+"](desk)
    assert desk.session.faces == ()


def test_every_key_of_the_legend_does_something() -> None:
    named = {key.lower() for key, _ in keys.LEGEND} - {"q", "space"}
    assert named <= set(keys.DEEDS)
