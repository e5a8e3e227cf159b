from collections.abc import Callable
from pathlib import Path

import pytest
from maskwatch_training.datasets import importers
from maskwatch_training.datasets.importers.foreign import InvalidSource

Draw = Callable[..., Path]


def test_innermost_folder_is_the_class(tmp_path: Path, draw: Draw) -> None:
    draw(tmp_path / "train" / "with_mask" / "a.png", 1)
    draw(tmp_path / "test" / "without_mask" / "a.png", 2)
    (tmp_path / "test" / "bad_mask").mkdir()
    found = importers.read("folders", tmp_path)
    assert [picture.whole for picture in found.pictures] == ["without_mask", "with_mask"]
    assert found.classes == ["bad_mask", "with_mask", "without_mask"]


def test_picture_outside_any_class_is_refused(tmp_path: Path, draw: Draw) -> None:
    draw(tmp_path / "mask" / "a.png", 1)
    draw(tmp_path / "b.png", 2)
    with pytest.raises(InvalidSource, match=r"b\.png: lies in no class folder"):
        importers.read("folders", tmp_path)
