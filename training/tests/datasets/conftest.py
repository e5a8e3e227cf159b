from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

WriteSet = Callable[..., Path]


@pytest.fixture
def write_set(draw: Callable[..., Path], write_lines: Callable[..., Path]) -> WriteSet:
    def write(folder: Path, name: str, *given: dict[str, Any]) -> Path:
        """Write a set with its pictures; an entry's `seed` draws its picture."""
        entries: list[dict[str, Any]] = [
            {"file": f"pictures/{number}.png", "seed": number, "width": 80, "height": 60} | entry
            for number, entry in enumerate(given)
        ]
        for entry in entries:
            wh = (entry["width"], entry["height"])
            draw(folder / entry["file"], entry.pop("seed"), wh=wh)
        write_lines(folder / f"{name}.jsonl", *entries)
        return folder

    return write
