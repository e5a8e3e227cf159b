import json
import resource
import signal
from pathlib import Path

import cv2
import pytest
from maskwatch_training.capture.session import Face
from maskwatch_training.capture.store import AlreadySaved, SetInUse, Store
from maskwatch_training.capture.testing import frame, store_in
from maskwatch_training.datasets.labelled import InvalidAnnotation

FACE = Face((1.04, 2.0, 30.0, 40.0), "mask", 0.9, ((5.0, 6.0),))

ENTRY = {
    "file": "own/a.jpg",
    "width": 9,
    "height": 9,
    "boxes": [],
    "dataset": "own",
    "licence": "CC0-1.0",
    "group": "g",
}


def test_picture_and_line_are_on_disk_at_once(store: Store) -> None:
    entry = store.save(frame(3), (FACE,), group="own/anna")
    (line,) = store.path.read_text(encoding="utf-8").splitlines()
    assert json.loads(line) == entry
    assert entry["boxes"] == [{"xyxy": [1.0, 2.0, 30.0, 40.0], "label": "mask", "eyes": [[5, 6]]}]
    assert (entry["dataset"], entry["licence"], entry["group"]) == ("own", "CC0-1.0", "own/anna")
    stored = cv2.imread(str(store.picture(entry["file"])))
    assert stored is not None
    assert stored.shape == (entry["height"], entry["width"], 3)


def test_same_picture_is_not_saved_twice(store: Store) -> None:
    entry = store.save(frame(3), (FACE,), group="g")
    with pytest.raises(AlreadySaved, match=entry["file"]):
        store.save(frame(3), (), group="h")
    assert store.entries == [entry]
    assert store.holds(frame(3)) == entry["file"]
    assert store.holds(frame(4)) is None


def test_set_goes_on_where_it_stopped(store: Store) -> None:
    store.save(frame(3), (FACE,), group="g")
    store.save(frame(9), (), group="g")
    store.close()
    again = store_in(store.path.parent)
    assert again.counts == {"mask": 1, "no_mask": 0, "bad_mask": 0, "no_face": 1}
    assert (again.next_frame("sheets"), again.next_frame("another")) == (10, 0)
    again.save(frame(4), (FACE,), group="g")
    assert len(again.path.read_text(encoding="utf-8").splitlines()) == 3
    again.close()


def test_two_captures_cannot_write_to_one_set(store: Store) -> None:
    with pytest.raises(SetInUse, match=r"own\.jsonl"):
        store_in(store.path.parent)
    store_in(store.path.parent, "another").close()


def test_removed_picture_is_gone_and_the_others_stay(store: Store) -> None:
    gone, kept = (store.save(frame(n), (FACE,), group="g") for n in (1, 2))
    assert store.remove(gone["file"]) == gone
    assert not store.picture(gone["file"]).exists()
    assert [json.loads(line) for line in store.path.read_text().splitlines()] == [kept]
    with pytest.raises(KeyError):
        store.remove(gone["file"])


def test_unfinished_last_line_is_moved_aside(store: Store) -> None:
    store.save(frame(1), (FACE,), group="g")
    store.close()
    whole = store.path.read_bytes()
    store.path.write_bytes(whole + b'{"file": "own/x')
    again = store_in(store.path.parent)
    assert again.torn == len(b'{"file": "own/x')
    assert again.path.read_bytes() == whole
    assert b"own/x" in again.path.with_name("own.jsonl.torn").read_bytes()
    again.close()


def test_last_line_that_only_lacks_its_end_is_kept(store: Store) -> None:
    store.save(frame(1), (FACE,), group="g")
    store.close()
    whole = store.path.read_bytes()
    store.path.write_bytes(whole.rstrip(b"\n"))
    again = store_in(store.path.parent)
    assert (again.torn, again.path.read_bytes()) == (0, whole)
    again.close()


@pytest.mark.parametrize(
    ("line", "named"),
    [
        ("no json\n", "own.jsonl:2"),
        ('{"boxes": []}\n', "file"),
        ('{"file": "own/a.jpg", "boxes": [{"label": "veil"}]}\n', "label"),
        (f"{json.dumps(ENTRY)}\n" * 2, "own.jsonl:3: file"),
    ],
)
def test_line_that_cannot_be_read_is_named_and_nothing_changes(
    store: Store, line: str, named: str
) -> None:
    store.save(frame(1), (FACE,), group="g")
    store.close()
    with store.path.open("a") as file:
        file.write(line)
    before = store.path.read_bytes()
    with pytest.raises(InvalidAnnotation, match=named):
        store_in(store.path.parent)
    assert store.path.read_bytes() == before


def test_pictures_that_are_gone_are_counted(store: Store) -> None:
    entry = store.save(frame(1), (FACE,), group="g")
    store.close()
    store.picture(entry["file"]).unlink()
    again = store_in(store.path.parent)
    assert again.missing == [entry["file"]]
    again.close()


def test_full_disk_leaves_no_half_line(store: Store) -> None:
    for shade in range(4):
        store.save(frame(shade), (FACE,), group="g")
    before = store.path.read_bytes()
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    ignored = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    many = tuple(FACE for _ in range(200))
    try:
        # A file may grow to here and no further, as on a disk that is full: EFBIG for ENOSPC.
        resource.setrlimit(resource.RLIMIT_FSIZE, (len(before) + 400, limits[1]))
        with pytest.raises(OSError, match="File too large"):
            store.save(frame(200), many, group="g")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
        signal.signal(signal.SIGXFSZ, ignored)
    assert store.path.read_bytes() == before
    assert store.holds(frame(200)) is None
    assert not list(Path(store.path.parent).rglob("*.part"))
    store.save(frame(200), many, group="g")
    assert len(store.path.read_text().splitlines()) == 5
