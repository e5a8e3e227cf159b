"""What tests of several packages need: drawn pictures, annotation files, recipes that ship."""

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from maskwatch_training.arrays import Image
from maskwatch_training.recipes import Training

_ROOT = Path(__file__).parents[2]
_SKIN, _MASK = (205, 160, 130), (70, 130, 210)


@pytest.fixture(scope="session")
def recipes_folder() -> Path:
    return _ROOT / "training" / "recipes"


@pytest.fixture(scope="session")
def detector_path() -> Path:
    """The face detector that ships."""
    models = _ROOT / "services" / "edge_detector" / "src" / "edge_detector" / "models"
    return models / "maskwatch-face-mask-320.tflite"


def _draw(path: Path, seed: int, *, wh: tuple[int, int] = (80, 60)) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    coarse = np.random.default_rng(seed).integers(0, 256, (6, 8, 3), np.uint8)
    assert cv2.imwrite(str(path), cv2.resize(coarse, wh, interpolation=cv2.INTER_CUBIC))
    return path


@pytest.fixture(scope="session")
def draw() -> Callable[..., Path]:
    """Write coloured clouds: each seed's picture differs from every other one's."""
    return _draw


def _draw_face(image: Image, box: tuple[int, int, int, int], label: str) -> None:
    left, top, right, bottom = box
    middle = ((left + right) // 2, (top + bottom) // 2)
    wide, high = right - left, bottom - top
    cv2.ellipse(image, middle, (wide // 2, high // 2), 0, 0, 360, _SKIN, -1, cv2.LINE_AA)
    for side in (-1, 1):
        eye = (middle[0] + side * wide // 5, top + high // 3)
        cv2.circle(image, eye, max(1, wide // 11), (20, 20, 20), -1, cv2.LINE_AA)
    mouth = (middle[0], top + 3 * high // 4)
    cv2.ellipse(image, mouth, (wide // 5, high // 12), 0, 0, 360, (150, 40, 50), -1, cv2.LINE_AA)
    first = {"mask": 0.5, "bad_mask": 0.8}.get(label)
    if first is not None:
        corner = (left + wide // 8, top + round(first * high))
        cv2.rectangle(image, corner, (right - wide // 8, bottom), _MASK, -1)


@pytest.fixture(scope="session")
def draw_face() -> Callable[..., None]:
    """Draw an oval with eyes and mouth, and a mask over the mouth, or over the chin only."""
    return _draw_face


def _write_lines(path: Path, *entries: dict[str, Any]) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    plain = {"width": 80, "height": 60, "boxes": [], "dataset": path.stem, "licence": "CC0-1.0"}
    lines = [json.dumps(plain | entry) + "\n" for entry in entries]
    path.write_text("".join(lines), encoding="utf-8")
    return path


@pytest.fixture(scope="session")
def write_lines() -> Callable[..., Path]:
    """Write an annotation file; an entry that does not say otherwise is 80x60 px, without a box."""
    return _write_lines


@pytest.fixture
def ticking() -> Callable[[], float]:
    """A clock that goes on by a second whenever it is asked."""
    ticks: Iterator[int] = iter(range(10**6))
    return lambda: float(next(ticks))


@pytest.fixture
def write_plan() -> Callable[..., Training]:
    """Make the part of a recipe that every training has, with fields replaced."""
    rates = {"head_rate": 0.1, "backbone_rate": 0.1, "warm_up_steps": 0, "final_share": 0.1}
    plain = {
        "name": "own",
        "seed": 1,
        "minutes": 1.0,
        "threads": 1,
        "batch_size": 2,
        "validation": {"share": 0.5, "faceless_share": 0.5},
        "datasets": {"own": 1.0},
        "optimiser": rates | {"weight_decay": 0, "clip_norm": 10, "ema": 0.9},
        "checkpoint_every_minutes": 0.1,
    }
    return lambda **fields: Training.model_validate(plain | fields)
