"""The line on the terminal that says how far a step is."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from typing import TypeVar

from tqdm import tqdm

T = TypeVar("T")

_REDRAW_EVERY_S = 0.5


def shown(items: Collection[T], step: str, *, unit: str = "pictures") -> Iterable[T]:
    """Pass the items on and show how many of them went by."""
    return tqdm(items, desc=step, unit=f" {unit}", mininterval=_REDRAW_EVERY_S, leave=False)
