from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from maskwatch_training import recipes, task
from maskwatch_training.classifier import recipe
from maskwatch_training.detector.recipe import read as read_detector

_NETWORK = {"kind": "efficientnet_lite0", "head_channels": 16, "dropout": 0.1}


def test_recipes_that_ship_hold_back_the_photos_that_the_detector_holds_back(
    recipes_folder: Path,
) -> None:
    detector = read_detector(recipes_folder / "detector.yml")
    for name in ("classifier", "microcontroller"):
        plan = recipe.read(recipes_folder / f"{name}.yml")
        assert plan.seed == detector.seed
        assert plan.validation == detector.validation
        assert set(plan.datasets) == set(detector.datasets)
        assert plan.detector.is_file()


@pytest.mark.parametrize(
    ("fields", "named"),
    [
        ({"labels": {"mask": 0.5, "no_mask": 0.5}}, "no_face"),
        ({"labels": {"mask": 0.5, "no_mask": 0.5, "no_face": 0}}, "share"),
        ({"labels": {"mask": 0.5, "no_mask": 0.5, "no_face": 1, "cap": 1}}, "cap"),
        ({"datasets": {"other": 1.0}}, "drawn"),
        ({"network": _NETWORK | {"blocks": 4, "frozen_blocks": 4}}, "frozen_blocks"),
        ({"input": {"size_px": 48, "colour": "GREY"}}, "colour"),
        ({"input": {"size_px": 50, "colour": "RGB"}}, "size_px"),
        ({"sead": 1}, "sead"),
        ({"minutes": 0}, "minutes"),
    ],
)
def test_senseless_recipe_is_refused_by_field(
    write_recipe: Callable[..., Path], fields: dict[str, Any], named: str
) -> None:
    path = write_recipe("classifier", **fields)
    with pytest.raises(recipes.InvalidRecipe, match=named) as refusal:
        recipe.read(path)
    assert "classifier.yml" in str(refusal.value)
    assert "\n" not in str(refusal.value)


def test_output_of_a_face_follows_the_recipes_order(write_recipe: Callable[..., Path]) -> None:
    labels = {"no_face": 1.0, "no_mask": 1.0, "mask": 1.0}
    plan = recipe.read(write_recipe("microcontroller", labels=labels))
    assert plan.names == ("no_face", "no_mask", "mask")
    assert [plan.index(label) for label in range(3)] == [2, 1, None]


def test_task_is_read_from_the_recipe_and_a_detector_needs_none(
    recipes_folder: Path, tmp_path: Path
) -> None:
    assert task.of(recipes_folder / "classifier.yml") == task.CLASSIFIER
    plain = tmp_path / "plain.yml"
    plain.write_text("name: x\n", encoding="utf-8")
    assert task.of(plain) == task.DETECTOR
    plain.write_text("task: juggling\n", encoding="utf-8")
    with pytest.raises(task.UnknownTask, match=r"plain\.yml: task: is 'juggling'"):
        task.of(plain)


@pytest.mark.parametrize("text", ["- a list\n", "a: [\n", ""])
def test_recipe_that_is_no_mapping_is_named(tmp_path: Path, text: str) -> None:
    path = tmp_path / "odd.yml"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(recipes.InvalidRecipe, match=r"odd\.yml"):
        task.of(path)
