from pathlib import Path

import pytest
from maskwatch_training import recipes
from maskwatch_training.study import recipe


def test_quick_is_laid_over_the_rest(shipped: Path) -> None:
    full, quick = recipe.read(shipped), recipe.read(shipped, over="quick")
    assert quick.head.epochs == quick.fine_tuning.epochs == 1
    assert full.head.epochs > 1
    assert quick.head.rate == full.head.rate
    assert full.subset.training is None
    assert quick.subset.training is not None


@pytest.mark.parametrize(
    ("old", "new", "named"),
    [
        ("batch_size: 32", "batch_size: 1", "batch_size"),
        ("margin: 0.15", "margin: wide", r"crops\.margin"),
        ("name: study", "name: study\ncolour: red", "colour"),
        ("seed: 20261121", "", "seed"),
        ("name: study", "name: [", "flow sequence"),
    ],
)
def test_senseless_recipe_is_refused_by_field(
    tmp_path: Path, shipped: Path, old: str, new: str, named: str
) -> None:
    path = tmp_path / "own.yml"
    path.write_text(shipped.read_text(encoding="utf-8").replace(old, new), encoding="utf-8")
    with pytest.raises(recipes.InvalidRecipe, match=named) as found:
        recipe.read(path)
    assert str(found.value).startswith(str(path))


def test_recipe_that_is_no_mapping_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "own.yml"
    path.write_text("- a\n", encoding="utf-8")
    with pytest.raises(recipes.InvalidRecipe, match="no mapping"):
        recipe.read(path)
