"""The two people of the demo clip, cut out of public-domain portraits that PyPI packages carry.

The pictures are read from the installed packages' files; the packages are not imported, since
that would take a second and all that they in turn need.
"""

import importlib.util
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image

Picture = NDArray[np.uint8]
Alpha = NDArray[np.float32]
Box = tuple[int, int, int, int]
Label = Literal["mask", "no_mask", "bad_mask"]
Outline = tuple[tuple[int, int], ...]

_FEATHER_PX = 1.6


class PortraitError(RuntimeError):
    """An installed package does not carry its picture; the message names both."""


@dataclass(frozen=True)
class Person:
    """Somebody to walk through the picture.

    Attributes:
        picture: BGR, shape (H, W, 3).
        alpha: 1 where the person is, 0 where the portrait's background was, shape (H, W, 1).
        label: What a detector has to say of the face.
        face_px: The face in the picture, xyxy.
    """

    name: str
    picture: Picture
    alpha: Alpha
    label: Label
    face_px: Box

    def scaled(self, factor: float) -> "Person":
        """Return the same person, larger or smaller."""
        x1, y1, x2, y2 = (round(side * factor) for side in self.face_px)
        return Person(
            self.name,
            _resize(self.picture, factor).astype(np.uint8),
            _resize(self.alpha, factor)[..., None].astype(np.float32),
            self.label,
            (x1, y1, x2, y2),
        )


def eileen_collins() -> Person:
    """Return the astronaut of scikit-image (NASA, public domain); she wears no mask."""
    picture = _read("skimage", "data/astronaut.png")
    alpha = _filled(picture.shape[:2], _COLLINS)
    return Person("Eileen Collins", picture, alpha, "no_mask", (176, 62, 278, 188))


def grace_hopper(*, mask_drop_px: int | None = 0) -> Person:
    """Return the rear admiral of matplotlib (US Navy, public domain) with a mask drawn on.

    Args:
        mask_drop_px: So far the mask is pulled down, px of the portrait; the nose is free from
            about 45 on. None: no mask at all.
    """
    portrait = _read("matplotlib", "mpl-data/sample_data/grace_hopper.jpg")
    alpha = _filled(portrait.shape[:2], _HOPPER)
    label: Label = "mask"
    if mask_drop_px is None:
        label = "no_mask"
    else:
        portrait = _with_mask(portrait, drop_px=mask_drop_px)
        label = "bad_mask" if mask_drop_px else "mask"
    return Person("Grace Hopper", portrait, alpha, label, (160, 132, 372, 344))


def _read(package: str, path: str) -> Picture:
    spec = importlib.util.find_spec(package)
    folders = spec.submodule_search_locations if spec else None
    if not folders:
        raise PortraitError(f"the demo clip needs the package {package}, which is not installed")
    try:
        # OpenCV would warn of the astronaut's colour profile on the terminal.
        with Image.open(Path(folders[0]) / path) as image:
            return np.asarray(image.convert("RGB"))[..., ::-1].copy()
    except OSError as error:
        reason = f"the installed package {package} lacks a picture that can be read: {error}"
        raise PortraitError(reason) from error


def _with_mask(portrait: Picture, *, drop_px: int) -> Picture:
    """Draw a pleated surgical mask and its ear loops on the rear admiral's face."""
    size_hw = portrait.shape[:2]
    painted = portrait.astype(np.float32)
    for loop in _EAR_LOOPS:
        line = np.zeros(size_hw, np.uint8)
        # The loops stay on the ears and are pulled longer.
        ends = (_dropped(loop[:1], drop_px)[0], *loop[1:])
        points = _rounded(ends, closed=False)
        cv2.polylines(
            line, [points], isClosed=False, color=(255,), thickness=4, lineType=cv2.LINE_AA
        )
        painted = _blend(painted, np.array(_LOOP_BGR, np.float32), _soft(line))
    cloth, mask = _cloth(portrait, drop_px=drop_px), _dropped(_MASK, drop_px)
    return _blend(painted, cloth, _filled(size_hw, mask)).astype(np.uint8)


def _dropped(outline: Outline, drop_px: int) -> Outline:
    return tuple((x, y + drop_px) for x, y in outline)


def _cloth(portrait: Picture, *, drop_px: int) -> NDArray[np.float32]:
    """Return the mask's cloth for every pixel, shaded by the face below and by pleats."""
    height, width = portrait.shape[:2]
    rows, columns = np.mgrid[0:height, 0:width].astype(np.float32)
    grey = cv2.GaussianBlur(cv2.cvtColor(portrait, cv2.COLOR_BGR2GRAY), (0, 0), 14)
    lit_by_scene = 0.82 + 0.18 * grey.astype(np.float32) / 160
    across = (columns - _MASK_CENTRE[0]) / 78  # -1 .. 1 from cheek to cheek
    down = (rows - drop_px - _MASK_CENTRE[1]) / 66
    rounded = 1.05 - 0.26 * across**2 - 0.10 * down.clip(0, None) ** 2
    # The pleats sag in the middle and are sharp at their upper edge.
    phase = (rows - drop_px - 232 - 9 * (1 - across**2)) / 24
    depth = np.where((phase > 0) & (phase < 4), (phase % 1) ** 3, 0)
    shade = (lit_by_scene * rounded * (1 - 0.20 * depth)).clip(0.35, 1.08)
    weave = 1 + 0.012 * np.random.default_rng(7).standard_normal(shade.shape)
    cloth = np.array(_CLOTH_BGR) * (shade * weave)[..., None]
    return np.asarray(cloth.clip(0, 255), np.float32)


def _blend(
    below: NDArray[np.float32], above: NDArray[np.float32], alpha: Alpha
) -> NDArray[np.float32]:
    return np.asarray(below * (1 - alpha) + above * alpha, np.float32)


def _filled(size_hw: Sequence[int], outline: Outline) -> Alpha:
    area = np.zeros(tuple(size_hw), np.uint8)
    cv2.fillPoly(area, [_rounded(outline, closed=True)], color=(255,))
    return _soft(area)


def _soft(area: Picture) -> Alpha:
    return (cv2.GaussianBlur(area, (0, 0), _FEATHER_PX)[..., None] / np.float32(255)).astype(
        np.float32
    )


def _rounded(outline: Outline, *, closed: bool) -> NDArray[np.int32]:
    """Cut the corners thrice (Chaikin 1974), which makes a curve of a polygon."""
    points = np.array(outline, np.float32)
    for _ in range(3):
        ends = np.roll(points, -1, axis=0) if closed else points[1:]
        starts = points if closed else points[:-1]
        quarters = np.stack([0.75 * starts + 0.25 * ends, 0.25 * starts + 0.75 * ends], axis=1)
        points = quarters.reshape(-1, 2)
    return points.round().astype(np.int32)


def _resize(pixels: Picture | Alpha, factor: float) -> NDArray[Any]:
    kernel = cv2.INTER_AREA if factor < 1 else cv2.INTER_CUBIC
    return np.asarray(cv2.resize(pixels, None, fx=factor, fy=factor, interpolation=kernel))


# Outlines in px of the portraits, clockwise from the top of the head; where the picture ends they
# go on below it, lest the corners be cut off the shoulders.
_COLLINS: Outline = (
    (228, 12), (262, 20), (288, 42), (301, 74), (301, 98), (290, 118), (276, 130), (270, 150),
    (258, 172), (276, 186), (298, 214), (308, 238), (330, 250), (350, 278), (360, 320), (362, 352),
    (390, 343), (432, 350), (470, 378), (494, 420), (500, 470), (508, 660), (20, 660), (20, 420),
    (36, 330), (48, 280), (72, 240), (108, 216), (116, 186), (136, 160), (164, 150), (184, 152),
    (186, 140), (178, 124), (162, 114), (152, 92), (154, 66), (168, 46), (190, 24),
)  # fmt: skip
_HOPPER: Outline = (
    (242, 25), (265, 21), (291, 27), (303, 41), (322, 49), (340, 64), (352, 86), (368, 99),
    (371, 150), (364, 176), (376, 187), (373, 214), (368, 251), (362, 268), (356, 288), (338, 304),
    (333, 314), (340, 324), (364, 344), (399, 361), (446, 372), (480, 384), (500, 410), (508, 460),
    (511, 760), (14, 760), (18, 540), (28, 470), (38, 412), (54, 388), (82, 374), (124, 357),
    (163, 347), (188, 337), (203, 322), (205, 312), (203, 296), (184, 286), (166, 266), (158, 234),
    (154, 202), (160, 172), (150, 150), (152, 104), (174, 90), (184, 70), (200, 54), (219, 43),
    (226, 32),
)  # fmt: skip
_MASK_CENTRE = (268, 276)
_MASK: Outline = (
    (188, 236), (214, 228), (244, 214), (266, 208), (290, 213), (320, 226), (348, 232),
    (347, 268), (336, 304), (312, 332), (268, 346), (226, 334), (202, 306), (189, 270),
)  # fmt: skip
_EAR_LOOPS: tuple[Outline, ...] = (
    ((194, 240), (176, 226), (164, 206)),
    ((206, 306), (184, 284), (166, 244)),
    ((344, 236), (360, 224), (370, 202)),
    ((336, 302), (354, 282), (370, 240)),
)
_CLOTH_BGR = (226, 204, 168)
_LOOP_BGR = (235, 235, 232)
