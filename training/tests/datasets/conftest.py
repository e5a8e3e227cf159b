"""Pictures and sets for the tests: drawn, since no photo enters the repository."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

Draw = Callable[..., Path]
WriteSet = Callable[..., Path]


def _draw(path: Path, seed: int, *, wh: tuple[int, int] = (80, 60)) -> Path:
    """Write coloured clouds: each seed's picture differs from every other one's."""
    path.parent.mkdir(parents=True, exist_ok=True)
    coarse = np.random.default_rng(seed).integers(0, 256, (6, 8, 3), np.uint8)
    assert cv2.imwrite(str(path), cv2.resize(coarse, wh, interpolation=cv2.INTER_CUBIC))
    return path


@pytest.fixture
def draw() -> Draw:
    return _draw


@pytest.fixture
def write_set() -> WriteSet:
    def write(folder: Path, name: str, *entries: dict[str, Any]) -> Path:
        """Write a set; an entry's `seed` draws its picture, further fields go before ours."""
        lines = []
        for number, given in enumerate(entries):
            wh = (given.get("width", 80), given.get("height", 60))
            entry: dict[str, Any] = {
                "file": f"pictures/{number}.png",
                "width": wh[0],
                "height": wh[1],
                "boxes": [],
                "dataset": name,
                "licence": "CC0-1.0",
                **{key: value for key, value in given.items() if key != "seed"},
            }
            _draw(folder / entry["file"], given.get("seed", number), wh=wh)
            lines.append(json.dumps(entry) + "\n")
        (folder / f"{name}.jsonl").write_text("".join(lines), encoding="utf-8")
        return folder

    return write
