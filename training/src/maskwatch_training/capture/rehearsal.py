"""A film to rehearse with, for those without a camera: one person, ten scenes, three ways.

In each scene a public-domain portrait (US Navy, from matplotlib's wheel) shows without a mask, with
a drawn one, with one below the nose, two frames each, and then the empty room. It teaches nobody
anything about real masks. `python -m maskwatch_training.capture.rehearsal FILM.avi` makes it.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from matplotlib import cbook

from maskwatch_training.arrays import Image
from maskwatch_training.capture.sources import read_picture

FPS = 2.0
KINDS = ("no_mask", "mask", "bad_mask")  # in the order of a scene
FRAMES_A_KIND = 2
SCENES = 10
SIZE = (640, 480)

_FACE_PX = (167, 133, 347, 327)  # in the portrait of 512x600
# Outlines of the cloth in px of the portrait: over the nose, and below it.
_CLOTH = {
    "mask": ((178, 236), (215, 226), (258, 216), (300, 224), (338, 234), (332, 290), (300, 330)),
    "bad_mask": (
        (180, 268),
        (218, 266),
        (258, 266),
        (300, 266),
        (336, 266),
        (330, 296),
        (300, 332),
    ),
}
_CHIN = ((258, 344), (216, 332), (184, 290))
_NOISE_SIGMA = 3.0  # grey levels


@dataclass(frozen=True)
class Scene:
    """How the portrait stands in the room.

    `scale` of the portrait, `middle` of the face in the picture in px, `light` a factor, `gamma`
    of the tone curve, colours in RGB.
    """

    scale: float
    middle: tuple[int, int]
    is_mirrored: bool
    light: float
    gamma: float
    wall: tuple[int, int, int]
    cloth: tuple[int, int, int]


def scenes(seed: int = 1) -> list[Scene]:
    """Return the scenes; the same seed gives the same film."""
    random = np.random.default_rng(seed)
    return [
        Scene(
            scale=float(np.exp(random.uniform(np.log(0.45), np.log(1.3)))),
            middle=(int(random.integers(180, 460)), int(random.integers(190, 270))),
            is_mirrored=bool(number % 2),
            light=float(random.uniform(0.55, 1.1)),
            gamma=float(random.uniform(0.8, 1.5)),
            wall=_colour(random, 40, 220),
            cloth=_colour(random, 60, 235),
        )
        for number in range(SCENES)
    ]


def frames() -> Iterator[tuple[int, str | None, Image]]:
    """Yield number of the scene, label of the face (none: the empty room), frame (H, W, 3) RGB."""
    portrait = read_picture(Path(str(cbook.get_sample_data("grace_hopper.jpg", asfileobj=False))))
    if portrait is None:
        raise OSError("matplotlib's wheel does not carry its sample grace_hopper.jpg")
    random = np.random.default_rng(2)
    for number, scene in enumerate(scenes()):
        for kind in KINDS:
            worn = _dressed(portrait, kind, scene.cloth)
            for step in range(FRAMES_A_KIND):
                yield number, kind, _grainy(_frame(scene, worn, shift_px=7 * step), random)
        yield number, None, _grainy(_frame(scene, None, shift_px=0), random)


def build(path: Path) -> int:
    """Write the film (Motion JPEG in AVI); return how many frames it has.

    Raises:
        OSError: The file cannot be written, or the portrait is not there.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    draft = path.with_name(f".{path.stem}.part.avi")
    writer = cv2.VideoWriter(str(draft), cv2.VideoWriter.fourcc(*"MJPG"), FPS, SIZE)
    if not writer.isOpened():
        raise OSError(f"cannot write a film to {path}")
    count = 0
    for _, _, frame in frames():
        writer.write(np.asarray(cv2.cvtColor(frame, cv2.COLOR_RGB2BGR), np.uint8))
        count += 1
    writer.release()
    draft.replace(path)
    return count


def _colour(random: np.random.Generator, low: int, high: int) -> tuple[int, int, int]:
    red, green, blue = (int(value) for value in random.integers(low, high, 3))
    return red, green, blue


def _dressed(portrait: Image, kind: str, cloth: tuple[int, int, int]) -> Image:
    if kind not in _CLOTH:
        return portrait
    outline = np.array((*_CLOTH[kind], *_CHIN), np.int32)
    alpha = np.zeros(portrait.shape[:2], np.float32)
    cv2.fillPoly(alpha, [outline], 1.0)
    strings = ((outline[0], (166, 215)), (outline[4], (350, 213)))
    for start, end in strings:
        cv2.line(alpha, (int(start[0]), int(start[1])), end, 0.8, 3)
    alpha = np.asarray(cv2.GaussianBlur(alpha, (0, 0), 1.5), np.float32)[..., None]
    # Folds, and the light from the upper left that the portrait has.
    rows, columns = np.mgrid[: portrait.shape[0], : portrait.shape[1]].astype(np.float32)
    shade = 1.0 - 0.10 * np.cos(rows / 6.0) - 0.0016 * np.abs(columns - 235)
    worn = portrait * (1 - alpha) + np.array(cloth, np.float32) * shade[..., None] * alpha
    return np.asarray(worn.clip(0, 255), np.uint8)


def _frame(scene: Scene, worn: Image | None, *, shift_px: int) -> Image:
    width, height = SIZE
    fall = np.linspace(1.0, 0.7, height, dtype=np.float32)[:, None, None]
    room = np.broadcast_to(np.array(scene.wall, np.float32) * fall, (height, width, 3)).copy()
    if worn is not None:
        x1, y1, x2, y2 = _FACE_PX
        left = scene.middle[0] + shift_px - (x1 + x2) / 2 * scene.scale
        top = scene.middle[1] - (y1 + y2) / 2 * scene.scale
        matrix = np.array([[scene.scale, 0, left], [0, scene.scale, top]], np.float32)
        way = cv2.INTER_AREA if scene.scale < 1 else cv2.INTER_LINEAR
        stood = np.asarray(cv2.warpAffine(worn, matrix, SIZE, flags=way), np.float32)
        inner = np.ones(worn.shape[:2], np.float32)
        alpha = np.asarray(cv2.warpAffine(inner, matrix, SIZE), np.float32)[..., None]
        room = room * (1 - alpha) + stood * alpha
    room = 255 * (room / 255).clip(0, 1) ** scene.gamma * scene.light
    return np.asarray((room[:, ::-1] if scene.is_mirrored else room).clip(0, 255), np.uint8)


def _grainy(frame: Image, random: np.random.Generator) -> Image:
    noise = random.standard_normal(frame.shape, np.float32) * _NOISE_SIGMA
    return np.asarray((frame + noise).clip(0, 255), np.uint8)


def main(arguments: Sequence[str] | None = None) -> int:
    """Build the film that the command line names."""
    parser = argparse.ArgumentParser(
        prog="python -m maskwatch_training.capture.rehearsal", description=__doc__
    )
    parser.add_argument("film", type=Path, help="the film to write, such as rehearsal.avi")
    film = parser.parse_args(arguments).film
    try:
        count = build(film)
    except OSError as error:
        print(f"no film: {error}", file=sys.stderr)
        return 1
    print(
        f"{film}: {count} frames, {SCENES} scenes: no mask, mask, mask below the nose, empty room"
    )
    return 0


if __name__ == "__main__":
    sys.exit(main())
