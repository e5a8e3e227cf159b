from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
import yaml
from maskwatch_training.arrays import Image
from maskwatch_training.classifier import recipe
from maskwatch_training.classifier.recipe import Recipe
from maskwatch_training.detector.tflite import Model

_PHOTOS = 24


def _photo(
    number: int, random: np.random.Generator, draw_face: Callable[..., None]
) -> tuple[Image, list[dict[str, Any]]]:
    grain = random.integers(0, 256, (6, 8, 3)).astype(np.uint8)
    image = np.asarray(cv2.resize(grain, (320, 240), interpolation=cv2.INTER_CUBIC), np.uint8)
    boxes = []
    for column in range(3 if number % 4 else 0):
        left, top = 10 + column * 100 + int(random.integers(0, 20)), int(random.integers(10, 90))
        box = (left, top, left + 64, top + 84)
        label = ("mask", "no_mask", "bad_mask")[(number + column) % 3]
        draw_face(image, box, label)
        boxes.append({"xyxy": list(box), "label": label})
    return image, boxes


@pytest.fixture(scope="session")
def data_folder(
    tmp_path_factory: pytest.TempPathFactory,
    draw_face: Callable[..., None],
    write_lines: Callable[..., Path],
) -> Path:
    folder = tmp_path_factory.mktemp("data")
    (folder / "train" / "images").mkdir(parents=True)
    random = np.random.default_rng(5)
    entries = []
    for number in range(_PHOTOS):
        image, boxes = _photo(number, random, draw_face)
        file = f"train/images/{number}.png"
        cv2.imwrite(str(folder / file), image[:, :, ::-1])
        entry = {"file": file, "width": 320, "height": 240, "boxes": boxes, "group": f"g{number}"}
        entries.append(entry)
    write_lines(folder / "train" / "drawn.jsonl", *entries)
    return folder


@pytest.fixture
def write_recipe(tmp_path: Path, recipes_folder: Path, detector_path: Path) -> Callable[..., Path]:
    """Write the recipe that ships, made small, with fields replaced."""

    def write(name: str, **fields: Any) -> Path:
        entry = yaml.safe_load((recipes_folder / f"{name}.yml").read_text(encoding="utf-8"))
        small = {
            "name": f"drawn-{name}",
            "threads": 1,
            "batch_size": 8,
            "input": {"size_px": 48, "colour": "RGB"},
            "validation": {"share": 0.4, "faceless_share": 0.4},
            "datasets": {"drawn": 1.0},
            "no_face": entry["no_face"] | {"datasets": ["drawn"], "cuts_a_photo": 3},
            "detector": str(detector_path),
        }
        path = tmp_path / f"{name}.yml"
        path.write_text(yaml.safe_dump(entry | small | fields, sort_keys=False), encoding="utf-8")
        return path

    return write


@pytest.fixture
def plan(write_recipe: Callable[..., Path]) -> Recipe:
    return recipe.read(write_recipe("classifier"))


@pytest.fixture
def small_plan(write_recipe: Callable[..., Path]) -> Recipe:
    return recipe.read(write_recipe("microcontroller"))


@pytest.fixture(scope="session")
def detector(detector_path: Path) -> Model:
    return Model(detector_path)


@pytest.fixture
def smooth() -> Image:
    """A picture without detail, so that filters of another kind agree on it."""
    grain = np.random.default_rng(3).integers(0, 256, (5, 7, 3)).astype(np.uint8)
    return np.asarray(cv2.resize(grain, (280, 200), interpolation=cv2.INTER_CUBIC), np.uint8)
