import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from maskwatch_training.datasets import labelled, merge, sets
from maskwatch_training.datasets.duplicates import Alike

WriteSet = Callable[..., Path]


def _face(label: str = "mask", at: float = 10) -> dict[str, Any]:
    return {"xyxy": [at, 10, at + 20, 40], "label": label}


def _merged(*folders: Path, handling: merge.Handling = "group") -> merge.Merged:
    items = merge.gather([sets.read(folder) for folder in folders])
    return merge.merge(items, merge.find_pairs(items, Alike()), handling)


def test_equal_names_are_kept_apart(tmp_path: Path, write_set: WriteSet) -> None:
    ann = write_set(tmp_path / "ann" / "shots", "mine", {"seed": 1, "group": 5})
    bob = write_set(tmp_path / "bob" / "shots", "mine", {"seed": 2, "group": 5})
    merged = _merged(ann, bob)
    out = tmp_path / "out"
    out.mkdir()
    merge.write(merged, out, "all")
    first, second = labelled.read(out / "all.jsonl")
    assert (first.file, second.file) == ("pictures/shots/0.png", "pictures/shots-2/0.png")
    assert (first.scene, second.scene) == ("shots/5", "shots-2/5")
    for entry, folder in ((first, ann), (second, bob)):
        assert (out / entry.file).read_bytes() == (folder / "pictures" / "0.png").read_bytes()


def test_near_duplicates_share_the_earliest_group(tmp_path: Path, write_set: WriteSet) -> None:
    ann = write_set(tmp_path / "ann", "a", {"seed": 1, "group": "x"}, {"seed": 2, "group": "y"})
    bob = write_set(tmp_path / "bob", "b", {"seed": 2, "group": "p"}, {"seed": 3, "group": "p"})
    merged = _merged(ann, bob)
    assert [item.entry.scene for item in merged.items] == ["ann/x", "ann/y", "ann/y", "ann/y"]
    assert (merged.after.pictures, merged.dropped, merged.conflicts) == (4, 0, [])


def test_agreeing_duplicate_is_dropped_and_contradicting_one_kept(
    tmp_path: Path, write_set: WriteSet
) -> None:
    faces = [{"seed": seed, "boxes": [_face()]} for seed in (1, 2, 3, 4)]
    ann = write_set(tmp_path / "ann", "a", *faces)
    others = [[_face(at=12)], [_face("no_mask")], [_face(at=50)], []]
    bob = write_set(
        tmp_path / "bob", "b", *({"seed": n, "boxes": b} for n, b in enumerate(others, 1))
    )
    merged = _merged(ann, bob, handling="drop")
    assert merged.dropped == 1
    assert "pictures/bob/0.png" not in {item.entry.file for item in merged.items}
    assert [twins.conflict for twins in merged.conflicts] == [
        "mask and no_mask",
        "faces at different places",
        "1 and 0 faces",
    ]


def test_copies_of_other_sizes_agree(tmp_path: Path, write_set: WriteSet) -> None:
    large = {"xyxy": [20, 20, 60, 80], "label": "mask"}
    ann = write_set(tmp_path / "ann", "a", {"seed": 1, "boxes": [_face()]})
    bob = write_set(
        tmp_path / "bob", "b", {"seed": 1, "boxes": [large], "width": 160, "height": 120}
    )
    (twins,) = _merged(ann, bob).twins
    assert twins.conflict is None


def test_report_counts_sets_classes_sizes_and_conflicts(
    tmp_path: Path, write_set: WriteSet
) -> None:
    ann = write_set(tmp_path / "ann", "a", {"seed": 1, "boxes": [_face()]}, {"seed": 2})
    bob = write_set(tmp_path / "bob", "b", {"seed": 1, "boxes": [_face("bad_mask")]})
    merged = _merged(ann, bob)
    (tmp_path / "out").mkdir()
    merge.write(merged, tmp_path / "out", "all")
    told = json.loads((tmp_path / "out" / "report.json").read_text())
    assert told["sets"]["ann"]["labels"] == {"mask": 1, "no_mask": 0, "bad_mask": 0}
    assert told["merged"]["sizes"] == {"<24 px": 0, "24-48 px": 0, ">=48 px": 2}
    assert told["merged"]["without_face"] == 1
    assert told["conflicts"] == 1
    text = (tmp_path / "out" / "report.md").read_text()
    assert "| ann | 2 | 0 | 1 | 2 | 1 | 0 | 0 | 0 | 0 | 1 |" in text
    assert "**mask and bad_mask**" in text
    assert "all: no face of class no_mask" in text


@pytest.mark.parametrize("handling", ["group", "drop"])
def test_one_set_without_duplicates_stays_as_it_is(
    tmp_path: Path, write_set: WriteSet, handling: merge.Handling
) -> None:
    ann = write_set(tmp_path / "ann", "a", {"seed": 1, "source": "own camera"})
    (item,) = _merged(ann, handling=handling).items
    assert item.entry.as_mapping()["source"] == "own camera"
    assert "| first |" not in merge.report(_merged(ann), "all")
