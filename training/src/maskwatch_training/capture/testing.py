"""What tests put in the place of detector and camera; given in, never patched in."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from maskwatch_training.arrays import Image
from maskwatch_training.capture.boxes import Box, Point
from maskwatch_training.capture.desk import Desk
from maskwatch_training.capture.groups import OnePerson
from maskwatch_training.capture.session import Face, Frame
from maskwatch_training.capture.sources import Source
from maskwatch_training.capture.store import Store, Terms


class PlainFinder:
    """Finds the faces it is told of, in every picture."""

    def __init__(self, *boxes: Box) -> None:
        self.boxes = boxes

    def find(self, picture: Image) -> tuple[Face, ...]:
        assert picture.ndim == 3
        return tuple(Face(box, score=0.9) for box in self.boxes)

    def eyes(self, picture: Image, box: Box) -> tuple[Point, ...]:
        assert picture.ndim == 3
        return (((box[0] + box[2]) / 2, box[1] + 1),)


class Sheets:
    """A source of frames that a test lays down."""

    def __init__(self, *frames: Frame, is_live: bool = False) -> None:
        self.name, self.is_live, self.unreadable = "sheets", is_live, 0
        self.frames = list(frames)

    def take(self) -> Frame | None:
        return self.frames.pop(0) if self.frames else None

    def close(self) -> None:
        self.frames.clear()


def frame(shade: int, *, size: tuple[int, int] = (100, 80)) -> Frame:
    width, height = size
    return Frame(np.full((height, width, 3), shade, np.uint8), "sheets", shade)


def store_in(folder: Path, name: str = "own") -> Store:
    return Store(folder, Terms(name, "CC0-1.0"))


def desk_on(store: Store, source: Source, *boxes: Box) -> Desk:
    found = PlainFinder(*(boxes or ((10.0, 10.0, 50.0, 60.0),)))
    return Desk(store, found, source=source, person=OnePerson("anna"), set_name="own")
