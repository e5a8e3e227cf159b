import json
from collections.abc import Callable, Iterator
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

_ROOT = Path(__file__).parents[3]
_RECIPES = _ROOT / "training" / "recipes"
_DETECTOR = _ROOT / "services/edge_detector/src/edge_detector/models/maskwatch-face-mask-320.tflite"
_PHOTOS = 24
_SKIN, _MASK = (205, 160, 130), (70, 130, 210)


def draw_face(image: Image, box: tuple[int, int, int, int], label: str) -> None:
    """Draw an oval with eyes and mouth, and a mask over the mouth, or over the chin only."""
    left, top, right, bottom = box
    middle = ((left + right) // 2, (top + bottom) // 2)
    wide, high = right - left, bottom - top
    cv2.ellipse(image, middle, (wide // 2, high // 2), 0, 0, 360, _SKIN, -1, cv2.LINE_AA)
    for side in (-1, 1):
        eye = (middle[0] + side * wide // 5, top + high // 3)
        cv2.circle(image, eye, max(1, wide // 14), (20, 20, 20), -1, cv2.LINE_AA)
    mouth = (middle[0], top + 3 * high // 4)
    cv2.ellipse(image, mouth, (wide // 6, high // 16), 0, 0, 360, (150, 40, 50), -1, cv2.LINE_AA)
    first = {"mask": 0.5, "bad_mask": 0.85}.get(label)
    if first is not None:
        corner = (left + wide // 8, top + round(first * high))
        cv2.rectangle(image, corner, (right - wide // 8, bottom), _MASK, -1)


def _photo(number: int, random: np.random.Generator) -> tuple[Image, list[dict[str, Any]]]:
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
def data_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("data")
    (folder / "train" / "images").mkdir(parents=True)
    random = np.random.default_rng(5)
    lines = []
    for number in range(_PHOTOS):
        image, boxes = _photo(number, random)
        file = f"train/images/{number}.png"
        cv2.imwrite(str(folder / file), image[:, :, ::-1])
        entry = {"file": file, "width": 320, "height": 240, "boxes": boxes, "dataset": "drawn"}
        lines.append(json.dumps(entry | {"licence": "CC0-1.0", "group": f"g{number}"}))
    (folder / "train" / "drawn.jsonl").write_text("\n".join(lines) + "\n", encoding="utf-8")
    return folder


@pytest.fixture
def write_recipe(tmp_path: Path) -> Callable[..., Path]:
    """Write the recipe that ships, made small, with fields replaced."""

    def write(name: str, **fields: Any) -> Path:
        entry = yaml.safe_load((_RECIPES / f"{name}.yml").read_text(encoding="utf-8"))
        small = {
            "name": f"drawn-{name}",
            "threads": 1,
            "batch_size": 8,
            "input": {"size_px": 48, "colour": "RGB"},
            "validation": {"share": 0.4, "faceless_share": 0.4},
            "datasets": {"drawn": 1.0},
            "no_face": entry["no_face"] | {"datasets": ["drawn"], "cuts_a_photo": 3},
            "detector": str(_DETECTOR),
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
def detector() -> Model:
    return Model(_DETECTOR)


@pytest.fixture
def smooth() -> Image:
    """A picture without detail, so that filters of another kind agree on it."""
    grain = np.random.default_rng(3).integers(0, 256, (5, 7, 3)).astype(np.uint8)
    return np.asarray(cv2.resize(grain, (280, 200), interpolation=cv2.INTER_CUBIC), np.uint8)


@pytest.fixture
def ticking() -> Callable[[], float]:
    """A clock that goes on by a second whenever it is asked."""
    ticks: Iterator[int] = iter(range(10**6))
    return lambda: float(next(ticks))
