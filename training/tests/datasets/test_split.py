from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from maskwatch_training.datasets import leaks, photos, sets, split
from maskwatch_training.datasets.duplicates import Pair
from maskwatch_training.datasets.labelled import Box, Entry, Label
from maskwatch_training.datasets.split import Plan, Shares

WriteSet = Callable[..., Path]


def _entry(number: int, group: str, label: Label | None = "mask") -> Entry:
    boxes = (Box(xyxy=(1, 1, 9, 9), label=label),) if label else ()
    return Entry(
        file=f"{number}.jpg", width=20, height=10, boxes=boxes, dataset="d", licence="", group=group
    )


@pytest.mark.parametrize("text", ["0.8/0.2", "a/b/c", "0.8/0.3/0.1", "1.2/-0.1/-0.1", ""])
def test_shares_that_make_no_whole_are_refused(text: str) -> None:
    with pytest.raises(split.InvalidShares, match="shares"):
        split.read_shares(text)


def test_studies_hold_a_fifth_back_and_test_on_a_fifth_of_it() -> None:
    assert split.read_shares("0.8/0.16/0.04") == split.STUDIES
    assert split.STUDIES.test == pytest.approx(0.2 * 0.2)


def test_hash_keeps_shares_and_repeats() -> None:
    entries = [_entry(i, f"g{i}") for i in range(5000)]
    parts = split.drawn_by_hash(entries, split.STUDIES, seed=3)
    counts = [list(parts.values()).count(part) / 5000 for part in split.PARTS]
    assert counts == pytest.approx([0.8, 0.16, 0.04], abs=0.02)
    assert split.drawn_by_hash(entries[::-1], split.STUDIES, seed=3) == parts
    assert split.drawn_by_hash(entries, split.STUDIES, seed=4) != parts


_labels = st.sampled_from((None, "mask", "no_mask", "bad_mask"))
_sets = st.lists(st.tuples(st.integers(0, 20), _labels), max_size=60)


@given(old=_sets, new=_sets, seed=st.integers(0, 9))
def test_added_pictures_move_none_of_the_old(
    old: list[tuple[int, Label | None]], new: list[tuple[int, Label | None]], seed: int
) -> None:
    entries = [_entry(i, f"g{group}", label) for i, (group, label) in enumerate(old + new)]
    before = split.drawn_by_hash(entries[: len(old)], split.DEFAULT, seed=seed)
    after = split.drawn_by_hash(entries, split.DEFAULT, seed=seed)
    assert {group: after[group] for group in before} == before


@given(described=_sets, seed=st.integers(0, 9), draw=st.sampled_from(("hash", "class")))
def test_every_group_is_in_one_part(
    described: list[tuple[int, Label | None]], seed: int, draw: split.Draw
) -> None:
    entries = [_entry(i, f"g{group}", label) for i, (group, label) in enumerate(described)]
    parts = split.DRAWS[draw](entries, split.DEFAULT, seed=seed)
    assert parts.keys() == {entry.scene for entry in entries}
    assert set(parts.values()) <= set(split.PARTS)
    assert split.DRAWS[draw](entries[::-1], split.DEFAULT, seed=seed) == parts


@pytest.mark.parametrize("seed", range(5))
def test_class_draw_gives_every_part_every_class(seed: int) -> None:
    totals: dict[Label, int] = {"mask": 30, "no_mask": 20, "bad_mask": 10}
    labels = [label for label, total in totals.items() for _ in range(total)]
    entries = [_entry(i, f"g{i}", label) for i, label in enumerate(labels)]
    parts = split.drawn_by_class(entries, Shares(0.6, 0.2, 0.2), seed=seed)
    for label, total in totals.items():
        of_label = [parts[e.scene] for e in entries if e.boxes[0].label == label]
        counts = [of_label.count(part) for part in split.PARTS]
        assert counts == pytest.approx([0.6 * total, 0.2 * total, 0.2 * total], abs=1)


def test_class_draw_leaves_a_part_without_share_empty() -> None:
    entries = [_entry(i, f"g{i}") for i in range(40)]
    parts = split.drawn_by_class(entries, Shares(0.5, 0.5, 0.0), seed=1)
    assert "test" not in parts.values()


def test_group_on_two_sides_is_named() -> None:
    parts = {"train": [_entry(1, "g")], "test": [_entry(2, "h"), _entry(3, "g")]}
    with pytest.raises(leaks.LeakFound, match=r"train: 1\.jpg and test: 3\.jpg \(group g\)"):
        leaks.check(parts, [])


def test_near_duplicates_on_two_sides_are_named_and_counted() -> None:
    parts = {
        "train": [_entry(i, f"a{i}") for i in range(30)],
        "test": [_entry(i + 30, f"b{i}") for i in range(30)],
    }
    leaks.check(parts, [Pair(0, 1, 3, is_mirrored=False)])
    pairs = [Pair(i, i + 30, 3, is_mirrored=False) for i in range(30)]
    with pytest.raises(leaks.LeakFound, match=r"(?s)30 pairs.*3 of 64 bits apart.*and 10 more"):
        leaks.check(parts, pairs)


def test_split_is_read_by_the_trainer(tmp_path: Path, write_set: WriteSet) -> None:
    source = write_set(tmp_path / "in", "own", *({"group": n // 2} for n in range(40)))
    (tmp_path / "out").mkdir()
    found = sets.read(source)
    made = split.make(found, Plan(seed=2))
    split.write(found, made.parts, tmp_path / "out")
    sides = [photos.read(tmp_path / "out", [part]) for part in split.PARTS]
    assert sum(len(side) for side in sides) == 40
    assert all(photos.decode(photo).shape == (60, 80, 3) for side in sides for photo in side)
    groups = [{photo.group for photo in side} for side in sides]
    assert groups[0].isdisjoint(groups[1] | groups[2])
    assert groups[1].isdisjoint(groups[2])
    assert "train: holds no face" in made.warnings
    assert made.as_mapping()["parts"]["train"]["pictures"] == len(sides[0])


def test_leaking_set_is_refused_until_its_groups_are_joined(
    tmp_path: Path, write_set: WriteSet
) -> None:
    twins = [{"seed": n // 2, "group": f"g{n}"} for n in range(40)]
    found = sets.read(write_set(tmp_path, "own", *twins))
    with pytest.raises(leaks.LeakFound, match="--join-duplicates"):
        split.make(found, Plan())
    made = split.make(found, Plan(joins=True, draw="class"))
    assert [len(entries) for entries in made.parts.values()] == pytest.approx([28, 6, 6], abs=2)
    for entries in made.parts.values():
        assert {entry.scene for entry in entries} <= {f"g{n}" for n in range(0, 40, 2)}
