"""The photos that the detector's recipe holds back, and what is cut from them."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
from edge_detector.vision.arrays import Floats, Picture
from maskwatch_training.datasets import photos as data
from maskwatch_training.datasets.photos import Photo
from maskwatch_training.detector import evaluate, recipe
from maskwatch_training.views import View

from benchmarks.models.subject import BAD_MASK

_RECIPE = Path(__file__).resolve().parents[2] / "training" / "recipes" / "detector.yml"
_CROP_SIDE_MIN_PX = 48.0
_CROP_MARGIN_MAX = 0.15  # of each side of the face; tight crops show hardly more than the face


class DataMissing(ValueError):  # noqa: N818 - named for what is wrong, as all our errors are
    """A folder that the measurement needs is not there; the message says what to set."""


@dataclass(frozen=True, slots=True)
class Shown:
    """A picture (H, W, 3) BGR with the faces in it: (N, 4) px and their labels (N,)."""

    name: str
    picture_bgr: Picture
    truth_px: Floats
    labels: npt.NDArray[np.int64]

    @property
    def long_side_px(self) -> float:
        return float(max(self.picture_bgr.shape[:2]))


@dataclass(frozen=True, slots=True)
class HeldBack:
    """The photos, with and without faces, and the seed of what is drawn from them."""

    photos: Sequence[Photo]
    seed: int

    def whole(self) -> Iterator[Shown]:
        """Yield the photos."""
        return (_shown(name, view) for name, view in evaluate.photos(self.photos))

    def door(self) -> Iterator[Shown]:
        """Yield single faces as a door camera would show them: large, dark, blurred."""
        cuts = evaluate.door_proxy(self.photos, seed=self.seed)
        return (_shown(name, view) for name, view in cuts)

    def crops(self) -> Iterator[Shown]:
        """Yield single faces with a mask or without one, cut tightly."""
        random = np.random.default_rng(self.seed)
        for shown in self.whole():
            sides = (shown.truth_px[:, 2:] - shown.truth_px[:, :2]).min(axis=1, initial=np.inf)
            wanted = (sides >= _CROP_SIDE_MIN_PX) & (shown.labels != BAD_MASK)
            for index in np.flatnonzero(wanted):
                margin = float(random.uniform(0, _CROP_MARGIN_MAX))
                yield _crop(shown, int(index), margin)


def held_back(folder: Path, *, most: int | None) -> HeldBack:
    """Read what the recipe of the packaged detector holds back.

    Args:
        folder: The data folder.
        most: At most so many photos, spread over all of them; None for all.

    Raises:
        DataMissing: The folder has no photos.
    """
    if not (folder / "train").is_dir():
        raise DataMissing(f"MASKWATCH_TRAINING_DATA: {folder} holds no folder `train` of photos")
    plan = recipe.read(_RECIPE)
    _, kept = data.split(
        data.read(folder, list(plan.datasets)),
        share=plan.validation.share,
        faceless_share=plan.validation.faceless_share,
        seed=plan.seed,
    )
    step = 1 if most is None else max(1, len(kept) // most)
    return HeldBack(kept[::step], plan.seed)


def _shown(name: str, view: View) -> Shown:
    bgr = np.ascontiguousarray(view.image[..., ::-1])
    return Shown(name, bgr, view.boxes_px.astype(np.float32), view.labels)


def _crop(shown: Shown, index: int, margin: float) -> Shown:
    box = shown.truth_px[index]
    reach = (box[2:] - box[:2]) * np.float32(margin)
    height, width = shown.picture_bgr.shape[:2]
    left, top = np.floor((box[:2] - reach).clip(0)).astype(int)
    right, bottom = np.ceil(np.minimum(box[2:] + reach, [width, height])).astype(int)
    return Shown(
        f"{shown.name}#{index}",
        np.ascontiguousarray(shown.picture_bgr[top:bottom, left:right]),
        (box - np.array([left, top, left, top], np.float32))[None],
        shown.labels[index : index + 1],
    )
