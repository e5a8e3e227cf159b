from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from maskwatch_training import cli
from maskwatch_training.datasets import holdout
from maskwatch_training.datasets.holdout import ContradictorySplit
from maskwatch_training.recipes import Training

WriteSet = Callable[..., Path]
Plan = Callable[..., Training]


@pytest.fixture
def plan(write_plan: Callable[..., Training]) -> Plan:
    return lambda *datasets: write_plan(datasets=dict.fromkeys(datasets, 1.0))


def _photos(first: int, count: int, **fields: Any) -> list[dict[str, Any]]:
    numbers = range(first, first + count)
    return [{"file": f"pictures/{n}.png", "seed": n, "group": f"g{n}"} | fields for n in numbers]


def test_photos_are_cut_by_shares_where_no_split_is(
    tmp_path: Path, write_set: WriteSet, plan: Plan
) -> None:
    write_set(tmp_path, "own", *_photos(0, 40))
    found = holdout.read(tmp_path, plan("own"))
    assert len(found.training) + len(found.validation) == 40
    assert 8 < len(found.validation) < 32
    assert found.sources == (tmp_path / "own.jsonl",)


def _split(tmp_path: Path, write_set: WriteSet, shares: str) -> Path:
    source = write_set(tmp_path / "in", "own", *_photos(0, 40))
    words = ["split", "--in", str(source), "--out", str(tmp_path / "parts"), "--shares", shares]
    assert cli.main([*words, "--draw", "class"]) == 0
    return tmp_path / "parts"


def test_split_that_the_user_made_is_kept(tmp_path: Path, write_set: WriteSet, plan: Plan) -> None:
    found = holdout.read(_split(tmp_path, write_set, "0.5/0.25/0.25"), plan("train"))
    assert found.origin == "by validation.jsonl of the data folder"
    assert (len(found.training), len(found.validation)) == (20, 10)
    assert {photo.dataset for photo in (*found.training, *found.validation)} == {"train"}
    assert [path.name for path in found.sources] == ["train.jsonl", "validation.jsonl"]


def test_split_that_holds_nothing_back_for_validation_is_cut(
    tmp_path: Path, write_set: WriteSet, plan: Plan
) -> None:
    found = holdout.read(_split(tmp_path, write_set, "0.7/0/0.3"), plan("train"))
    assert found.origin == "by the recipe's shares"
    assert len(found.training) + len(found.validation) == 28
    assert min(len(found.training), len(found.validation)) > 3
    assert [path.name for path in found.sources] == ["train.jsonl"]


def test_test_part_is_never_learnt_from(tmp_path: Path, write_set: WriteSet, plan: Plan) -> None:
    for part, first in (("train", 0), ("validation", 10), ("test", 20)):
        write_set(tmp_path, part, *_photos(first, 10))
    found = holdout.read(tmp_path, plan("train"))
    assert {photo.group for photo in found.training} == {f"g{n}" for n in range(10)}
    assert {photo.group for photo in found.validation} == {f"g{n}" for n in range(10, 20)}


@pytest.mark.parametrize(
    ("datasets", "said"),
    [
        (("train", "validation"), "own: datasets: validation: is held back by the split in"),
        (("test",), "own: datasets: test: is held back by the split in"),
        (("other",), "own: datasets: other: .* holds a split, whose training part is train"),
        (("train", "other"), "own: datasets: train, other: .* holds a split"),
    ],
)
def test_recipe_that_contradicts_the_split_is_refused(
    tmp_path: Path, write_set: WriteSet, plan: Plan, datasets: tuple[str, ...], said: str
) -> None:
    for part, first in (("train", 0), ("validation", 10), ("test", 20), ("other", 30)):
        write_set(tmp_path, part, *_photos(first, 10))
    with pytest.raises(ContradictorySplit, match=said):
        holdout.read(tmp_path, plan(*datasets))


def test_held_back_part_is_refused_also_where_nothing_is_for_validation(
    tmp_path: Path, write_set: WriteSet, plan: Plan
) -> None:
    for part, first, count in (("train", 0, 10), ("validation", 10, 0), ("test", 20, 10)):
        write_set(tmp_path, part, *_photos(first, count))
    with pytest.raises(ContradictorySplit, match="test: is held back"):
        holdout.read(tmp_path, plan("train", "test"))


def test_group_on_both_sides_is_named(tmp_path: Path, write_set: WriteSet, plan: Plan) -> None:
    write_set(tmp_path, "train", *_photos(0, 3, group="ann"), *_photos(5, 3, group="bob"))
    write_set(tmp_path, "validation", *_photos(10, 3, group="bob"))
    with pytest.raises(ContradictorySplit, match="group: bob on both sides"):
        holdout.read(tmp_path, plan("train"))
