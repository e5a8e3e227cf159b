from pathlib import Path

import pytest
from maskwatch_training.datasets import class_names


@pytest.mark.parametrize(
    ("name", "ours"),
    [
        ("with_mask", "mask"),
        ("With Mask", "mask"),
        ("mask_weared_incorrect", "bad_mask"),
        ("without_mask", "no_mask"),
        ("no-mask", "no_mask"),
        ("NO.MASK ", "no_mask"),
        ("background", "no_face"),
        ("face", None),
        ("helmet", None),
    ],
)
def test_foreign_names_have_a_meaning(name: str, ours: str | None) -> None:
    assert class_names.meaning(name, {}) == ours


def test_own_map_goes_before_ours(tmp_path: Path) -> None:
    (tmp_path / "labels.yml").write_text("chin mask: bad_mask\nhelmet: ignore\n0: mask\n")
    own = class_names.read(["Mask=no_mask", str(tmp_path / "labels.yml")])
    assert class_names.meaning("mask", own) == "no_mask"
    assert class_names.meaning("CHIN-mask", own) == "bad_mask"
    assert class_names.meaning("helmet", own) == "ignore"
    assert class_names.meaning("0", own) == "mask"


@pytest.mark.parametrize("text", ["- mask\n", "mask", "{", "a: [1]\n"])
def test_file_that_maps_nothing_is_named(tmp_path: Path, text: str) -> None:
    (tmp_path / "labels.yml").write_text(text)
    with pytest.raises(class_names.UnknownMeaning, match="--labels "):
        class_names.read([str(tmp_path / "labels.yml")])


def test_meaning_that_is_none_is_named() -> None:
    with pytest.raises(class_names.UnknownMeaning, match="--labels helmet: 'hat' is none of mask,"):
        class_names.read(["helmet=hat"])


def test_every_known_name_is_written_as_it_is_looked_up() -> None:
    assert all(class_names.normalised(name) == name for name in class_names.KNOWN)
