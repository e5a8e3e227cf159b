import json
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

_RECIPE = Path(__file__).parents[2] / "recipes" / "study.yml"
_SIDE_PX = 40


def _draw_face(label: str, random: np.random.Generator) -> Image:
    """Draw a head, (40, 40, 3); a mask covers nose and mouth, a bad one the chin only."""
    image = np.full((_SIDE_PX, _SIDE_PX, 3), random.integers(0, 255, 3), np.uint8)
    skin = tuple(map(int, random.integers((120, 80, 60), (240, 190, 160))))
    cv2.ellipse(image, (20, 20), (13, 17), 0, 0, 360, skin, -1)
    for x in (15, 25):
        cv2.circle(image, (x, 15), 2, (20, 20, 20), -1)
    if label != "mask":
        cv2.line(image, (16, 27), (24, 27), (150, 30, 40), 2)
    if label != "no_mask":
        top = 20 if label == "mask" else 31
        cv2.rectangle(image, (9, top), (31, 35), (80, 160, 230), -1)
    return image


def _write_set(folder: Path, name: str, counts: Mapping[str, int], *, seed: int = 1) -> None:
    """Write pictures with one face each and `<name>.jsonl` beside them."""
    random = np.random.default_rng(seed)
    lines = []
    for label, count in counts.items():
        for number in range(count):
            file = f"pictures/{name}-{label}-{number}.png"
            path = folder / file
            path.parent.mkdir(parents=True, exist_ok=True)
            cv2.imwrite(str(path), _draw_face(label, random)[..., ::-1])
            entry: dict[str, Any] = {
                "file": file,
                "width": _SIDE_PX,
                "height": _SIDE_PX,
                "boxes": [{"xyxy": [6.0, 3.0, 34.0, 38.0], "label": label}],
                "dataset": name,
                "licence": "CC0-1.0",
                "group": f"{name}-{label}-{number // 2}",
            }
            lines.append(json.dumps(entry))
    (folder / f"{name}.jsonl").write_text("\n".join(lines) + "\n", encoding="utf-8")


def _write_classes(root: Path, names: Mapping[str, str], count: int) -> Path:
    """Write a folder of drawn faces for each name, of the class it is mapped to."""
    random = np.random.default_rng(3)
    for name, label in names.items():
        (root / name).mkdir(parents=True)
        for number in range(count):
            cv2.imwrite(str(root / name / f"{number}.png"), _draw_face(label, random)[..., ::-1])
    return root


@pytest.fixture(scope="session")
def shipped() -> Path:
    return _RECIPE


@pytest.fixture(scope="session")
def write_set() -> Callable[[Path, str, Mapping[str, int]], None]:
    return _write_set


@pytest.fixture(scope="session")
def write_classes() -> Callable[[Path, Mapping[str, str], int], Path]:
    return _write_classes


@pytest.fixture(scope="session")
def split_data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("split")
    for seed, (name, count) in enumerate((("train", 12), ("validation", 5), ("test", 8))):
        _write_set(folder, name, dict.fromkeys(LABELS, count), seed=seed)
    return folder


@pytest.fixture
def small(tmp_path: Path) -> Callable[..., Path]:
    """Write a recipe file for pictures of 40 px: the shipped one with smaller numbers."""

    def write(**changes: Any) -> Path:
        plan: Recipe = recipe.read(_RECIPE, over="quick").model_copy(
            update={"input_px_max": 32, "latency_calls": 2, "device": "cpu", **changes}
        )
        path = tmp_path / "recipe.yml"
        path.write_text(plan.model_dump_json(), encoding="utf-8")  # JSON is YAML
        return path

    return write
