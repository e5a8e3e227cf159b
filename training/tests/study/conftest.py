from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from maskwatch_training.arrays import Image
from maskwatch_training.labels import LABELS
from maskwatch_training.study import recipe
from maskwatch_training.study.recipe import Recipe

_SIDE_PX = 40
_HEAD = (7, 3, 33, 37)
WriteSet = Callable[..., None]


@pytest.fixture(scope="session")
def draw_head(draw_face: Callable[..., None]) -> Callable[[str, np.random.Generator], Image]:
    """Draw a face on a plain ground, (40, 40, 3)."""

    def draw(label: str, random: np.random.Generator) -> Image:
        image = np.full((_SIDE_PX, _SIDE_PX, 3), random.integers(0, 255, 3), np.uint8)
        draw_face(image, _HEAD, label)
        return image

    return draw


@pytest.fixture(scope="session")
def shipped(recipes_folder: Path) -> Path:
    return recipes_folder / "study.yml"


@pytest.fixture(scope="session")
def write_set(draw_head: Callable[..., Image], write_lines: Callable[..., Path]) -> WriteSet:
    def write(folder: Path, name: str, counts: Mapping[str, int], *, seed: int = 1) -> None:
        """Write pictures with one face each and `<name>.jsonl` beside them."""
        random = np.random.default_rng(seed)
        (folder / "pictures").mkdir(parents=True, exist_ok=True)
        entries = []
        for label, count in counts.items():
            for number in range(count):
                file = f"pictures/{name}-{label}-{number}.png"
                cv2.imwrite(str(folder / file), draw_head(label, random)[..., ::-1])
                boxes = [{"xyxy": [6.0, 3.0, 34.0, 38.0], "label": label}]
                size = {"width": _SIDE_PX, "height": _SIDE_PX}
                group = f"{name}-{label}-{number // 2}"
                entries.append({"file": file, "boxes": boxes, "group": group, **size})
        write_lines(folder / f"{name}.jsonl", *entries)

    return write


@pytest.fixture(scope="session")
def write_classes(
    draw_head: Callable[..., Image],
) -> Callable[[Path, Mapping[str, str], int], Path]:
    def write(root: Path, names: Mapping[str, str], count: int) -> Path:
        """Write a folder of drawn faces for each name, of the class it is mapped to."""
        random = np.random.default_rng(3)
        for name, label in names.items():
            (root / name).mkdir(parents=True)
            for number in range(count):
                path = root / name / f"{number}.png"
                cv2.imwrite(str(path), draw_head(label, random)[..., ::-1])
        return root

    return write


@pytest.fixture(scope="session")
def split_data(tmp_path_factory: pytest.TempPathFactory, write_set: WriteSet) -> Path:
    folder = tmp_path_factory.mktemp("split")
    for seed, (name, count) in enumerate((("train", 12), ("validation", 5), ("test", 8))):
        write_set(folder, name, dict.fromkeys(LABELS, count), seed=seed)
    return folder


@pytest.fixture
def small(tmp_path: Path, shipped: Path) -> Callable[..., Path]:
    """Write a recipe file for pictures of 40 px: the shipped one with smaller numbers."""

    def write(**changes: Any) -> Path:
        plan: Recipe = recipe.read(shipped, over="quick").model_copy(
            update={"input_px_max": 32, "latency_calls": 2, "device": "cpu", **changes}
        )
        path = tmp_path / "recipe.yml"
        path.write_text(plan.model_dump_json(), encoding="utf-8")  # JSON is YAML
        return path

    return write
