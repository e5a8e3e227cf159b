"""The demo's film: two people walk through the picture, one after the other.

The first wears no mask, the second does. `python -m devstack.clip FILE` makes it; the same
versions of the packages make the same film.
"""

import argparse
import itertools
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from devstack import portraits
from devstack.portraits import Box, Person, Picture

FPS = 10.0
_WIDTH_PX, _HEIGHT_PX = 640, 480
# One person's walk, in frames: in from the left, a stop in the middle, out to the right.
_IN, _STAY, _OUT = 9, 20, 9
_EMPTY_BEFORE, _EMPTY_BETWEEN, _EMPTY_AFTER = 5, 22, 10
_NOISE_SIGMA = 2.5  # grey levels: a small camera in a lit room
_NOISES = 12  # grain patterns, shown in turn; new ones for every frame would take most of the time


@dataclass(frozen=True, slots=True)
class Appearance:
    """One person's walk through the picture.

    Attributes:
        label: What a detector has to say of the face.
        first_frame: Index of the frame in which the walk begins, counted from 0.
        last_frame: Index of the frame in which it ends.
        face_px: Where the face is while the person stands, xyxy.
    """

    person: str
    label: portraits.Label
    first_frame: int
    last_frame: int
    face_px: Box

    @property
    def standing(self) -> range:
        """The indices of the frames in which the person stands in the middle."""
        return range(self.first_frame + _IN, self.first_frame + _IN + _STAY)


@dataclass(frozen=True, slots=True)
class ClipFacts:
    """What is in the film, for whoever checks what was made of it."""

    path: Path
    fps: float
    frame_count: int
    resolution_wh: tuple[int, int]
    appearances: tuple[Appearance, ...]

    @property
    def duration_s(self) -> float:
        return self.frame_count / self.fps

    @property
    def alerts_expected(self) -> int:
        """How many alerts one showing must raise: one for each person without a mask."""
        return sum(appearance.label == "no_mask" for appearance in self.appearances)


def build(path: Path) -> ClipFacts:
    """Write the film (Motion JPEG in AVI) and say what is in it.

    An unfinished file never stands under its name.

    Raises:
        PortraitError: A package does not carry its portrait.
        OSError: The file cannot be written.
    """
    cast = _cast()
    path.parent.mkdir(parents=True, exist_ok=True)
    unfinished = path.with_name(f".{path.stem}.new.avi")
    codec = cv2.VideoWriter.fourcc(*"MJPG")
    writer = cv2.VideoWriter(str(unfinished), codec, FPS, (_WIDTH_PX, _HEIGHT_PX))
    if not writer.isOpened():
        raise OSError(f"cannot write a film to {unfinished}")
    frame_count = 0
    for frame in _frames(cast):
        writer.write(frame)
        frame_count += 1
    writer.release()
    unfinished.replace(path)
    appearances = tuple(_appearance(person, index) for index, person in enumerate(cast))
    return ClipFacts(path, FPS, frame_count, (_WIDTH_PX, _HEIGHT_PX), appearances)


def _cast() -> tuple[Person, ...]:
    return portraits.eileen_collins(), portraits.grace_hopper().scaled(0.62)


def _frames(cast: tuple[Person, ...]) -> Iterator[Picture]:
    grain = itertools.cycle(_grain())
    for scene in _scenes(cast):
        yield (scene + next(grain)).clip(0, 255).astype(np.uint8)


def _scenes(cast: tuple[Person, ...]) -> Iterator[NDArray[np.float32]]:
    """Yield the frames as a camera without noise would see them."""
    room = _room()
    for index, person in enumerate(cast):
        yield from itertools.repeat(room, _EMPTY_BETWEEN if index else _EMPTY_BEFORE)
        for left_px, top_px in _walk(person):
            yield _put(room, person, left_px, top_px)
    yield from itertools.repeat(room, _EMPTY_AFTER)


def _appearance(person: Person, index: int) -> Appearance:
    walk = _IN + _STAY + _OUT
    first = _EMPTY_BEFORE + index * (walk + _EMPTY_BETWEEN)
    left, top = _standing_at(person)
    x1, y1, x2, y2 = person.face_px
    face = (x1 + left, y1 + top, x2 + left, y2 + top)
    return Appearance(person.name, person.label, first, first + walk - 1, face)


def _standing_at(person: Person) -> tuple[int, int]:
    """Return left and top, px: the face in the middle, the portrait's lower edge out of sight."""
    x1, _, x2, _ = person.face_px
    height_px = person.picture.shape[0]
    return (_WIDTH_PX - x1 - x2) // 2, max(_HEIGHT_PX - height_px, 0) + 6


def _walk(person: Person) -> Iterator[tuple[int, int]]:
    """Yield left and top, px, for every frame of the walk."""
    left, top = _standing_at(person)
    width_px = person.picture.shape[1]
    for step in range(_IN):
        eased = 1 - (1 - step / _IN) ** 2
        yield round(-width_px + eased * (left + width_px)), top + 3 * (step % 2)
    for step in range(_STAY):
        yield left + round(2 * np.sin(step / 3)), top + round(np.sin(step / 4))
    for step in range(1, _OUT + 1):
        eased = (step / _OUT) ** 2
        yield round(left + eased * (_WIDTH_PX - left)), top + 3 * (step % 2)


def _room() -> NDArray[np.float32]:
    """Return an empty corridor: a wall lit from above, a rail, the floor."""
    rows = np.linspace(0, 1, _HEIGHT_PX, dtype=np.float32)[:, None]
    columns = np.linspace(-1, 1, _WIDTH_PX, dtype=np.float32)[None, :]
    light: NDArray[np.float32] = 1.0 - 0.22 * rows - 0.10 * columns**2
    light[300:316] *= 0.86  # the rail
    light[430:] *= 0.70  # the floor
    room = light[..., None] * np.array((196, 200, 198), np.float32)
    return cv2.GaussianBlur(room, (0, 0), 1.5).astype(np.float32)


def _put(
    room: NDArray[np.float32], person: Person, left_px: int, top_px: int
) -> NDArray[np.float32]:
    """Return the room with the person in it, as far as the person is in the picture."""
    frame = room.copy()
    height_px, width_px = person.picture.shape[:2]
    x1, y1 = max(left_px, 0), max(top_px, 0)
    x2, y2 = min(left_px + width_px, _WIDTH_PX), min(top_px + height_px, _HEIGHT_PX)
    if x1 >= x2 or y1 >= y2:
        return frame
    source = np.s_[y1 - top_px : y2 - top_px, x1 - left_px : x2 - left_px]
    alpha = person.alpha[source]
    frame[y1:y2, x1:x2] *= 1 - alpha
    frame[y1:y2, x1:x2] += alpha * person.picture[source]
    return frame


def _grain() -> list[NDArray[np.float32]]:
    numbers = np.random.default_rng(1)
    shape = (_HEIGHT_PX, _WIDTH_PX, 3)
    return [
        numbers.standard_normal(shape, dtype=np.float32) * np.float32(_NOISE_SIGMA)
        for _ in range(_NOISES)
    ]


def main() -> int:
    """Build the film that the command line names."""
    parser = argparse.ArgumentParser(prog="python -m devstack.clip", description=__doc__)
    parser.add_argument("file", type=Path, help="the film to write, such as demo.avi")
    try:
        facts = build(parser.parse_args().file)
    except (OSError, portraits.PortraitError) as error:
        print(f"no demo clip: {error}", file=sys.stderr)
        return 1
    people = ", ".join(f"{one.person} ({one.label})" for one in facts.appearances)
    print(f"{facts.path}: {facts.duration_s:.1f} s, {facts.frame_count} frames: {people}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
