"""The cuts on which a classifier is measured: seeded, of held-back photos only."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field

import numpy as np

from maskwatch_training import views
from maskwatch_training.arrays import Floats, Image, Integers
from maskwatch_training.classifier import backgrounds, crops, draw
from maskwatch_training.classifier.crops import Patch
from maskwatch_training.classifier.recipe import NO_FACE, Recipe
from maskwatch_training.datasets import photos as data
from maskwatch_training.datasets.photos import Photo
from maskwatch_training.detector import evaluate
from maskwatch_training.detector.tflite import Model
from maskwatch_training.views import View

Random = np.random.Generator

REFERENCE_SIDE_PX = 640.0  # sizes are told as if a photo's long side had this many px
_TURNS = 2  # jittered cuts of a face
_BACKGROUNDS = 6  # boxes without a face a photo
_ALARM_SCORES = (0.2, 0.6)
_TIGHT_SIDE_PX = 240  # the tight crop's long side, as the crops of another source are stored


@dataclass
class Cuts:
    """Cuts (S, S, channels) with their labels, short sides (long side 640) and photo numbers."""

    images: list[Image] = field(default_factory=list)
    labels: list[int] = field(default_factory=list)
    sides_px: list[float] = field(default_factory=list)
    photos: list[int] = field(default_factory=list)

    def add(self, image: Image, label: int, side_px: float, photo: int) -> None:
        """Add one."""
        self.images.append(image)
        self.labels.append(label)
        self.sides_px.append(side_px)
        self.photos.append(photo)

    @property
    def truth(self) -> Integers:
        """Labels as an array, (N,)."""
        return np.array(self.labels, np.int64)

    @property
    def sides(self) -> Floats:
        """Short sides as an array, (N,)."""
        return np.array(self.sides_px, np.float32)


def gather(photos: Sequence[Photo], recipe: Recipe, detector: Model) -> dict[str, Cuts]:
    """Make the sets `exact`, `jittered`, `tight`, `door`, `backgrounds` and `alarms`.

    `exact` cuts the annotated box, `jittered` a box up to a fifth off, `tight` the box with a
    twentieth around it as a photo of its own, `door` the detector's door proxy. `alarms` are what
    the detector takes for a face and no annotation does.
    """
    random = np.random.default_rng(recipe.seed)
    sets = {name: Cuts() for name in ("exact", "jittered", "tight", "backgrounds", "alarms")}
    for number, photo in enumerate(photos):
        picture = data.decode(photo)
        for box, face_label in zip(photo.boxes_px, photo.labels, strict=True):
            label = recipe.index(int(face_label))
            if label is not None:
                shown = Patch(picture, box, label)
                side = _reference_side(box, photo)
                for name, image in _of_face(shown, recipe, random):
                    sets[name].add(image, label, side, number)
        if photo.dataset in recipe.no_face.datasets:
            _add_faceless(sets, (number, photo, picture), recipe, (detector, random))
    sets["door"] = _door(photos, recipe)
    return sets


def tight_photo(picture: Image, box_px: Floats) -> tuple[Image, Floats]:
    """Cut a photo that shows the box and a twentieth around it, 240 px long; and its box."""
    around = (box_px[2:] - box_px[:2]) * 0.05
    height, width = picture.shape[:2]
    left, top = (int(v) for v in np.floor(box_px[:2] - around).clip(0))
    right, bottom = (int(v) for v in np.ceil(box_px[2:] + around).clip(1, [width, height]))
    shown = picture[top : max(bottom, top + 1), left : max(right, left + 1)]
    scale = _TIGHT_SIDE_PX / max(shown.shape[:2])
    middle = np.array([shown.shape[1], shown.shape[0]], np.float32) / 2
    side = float(max(shown.shape[:2]))
    laid = draw.lay(shown, draw.Pose(middle.astype(np.float32), side), _TIGHT_SIDE_PX)
    offset = np.array([left, top], np.float32) + middle - side / 2
    box = (box_px - np.concatenate([offset, offset])) * scale
    return laid, box.astype(np.float32)


def tight_photos(photos: Sequence[Photo]) -> Iterator[tuple[str, View]]:
    """Show every face of the photos as a photo of its own."""
    for name, shown in evaluate.photos(photos):
        for index, (box, label) in enumerate(zip(shown.boxes_px, shown.labels, strict=True)):
            image, inside = tight_photo(shown.image, box)
            yield f"{name}#{index}", views.whole(image, inside[None], label[None])


def _of_face(face: Patch, recipe: Recipe, random: Random) -> list[tuple[str, Image]]:
    made = [("exact", _cut(face.image, face.box_px, recipe))]
    for _ in range(_TURNS):
        pose = draw.jitter(face.box_px, margin=0.0, turn=0.0, random=random)
        half = (face.box_px[2:] - face.box_px[:2]) / 2
        half = half * pose.side / float(2 * half.max())
        box = np.concatenate([pose.middle - half, pose.middle + half]).astype(np.float32)
        made.append(("jittered", _cut(face.image, box, recipe)))
    made.append(("tight", _cut(*tight_photo(face.image, face.box_px), recipe)))
    return made


def _add_faceless(
    sets: dict[str, Cuts],
    shown: tuple[int, Photo, Image],
    recipe: Recipe,
    tools: tuple[Model, Random],
) -> None:
    number, photo, picture = shown
    detector, random = tools
    label = recipe.names.index(NO_FACE)
    size = (photo.width, photo.height)
    drawn = [backgrounds.draw(size, photo.boxes_px, random) for _ in range(_BACKGROUNDS)]
    wrong = backgrounds.alarms(detector, picture, photo.boxes_px, _ALARM_SCORES)
    found: list[tuple[str, Floats]] = [("backgrounds", box) for box in drawn if box is not None]
    found += [("alarms", box) for box in wrong]
    for name, box in found:
        side = _reference_side(box, photo)
        sets[name].add(_cut(picture, box, recipe), label, side, number)


def _door(photos: Sequence[Photo], recipe: Recipe) -> Cuts:
    made = Cuts()
    numbers: Callable[[str], int] = {photo.file: n for n, photo in enumerate(photos)}.__getitem__
    for name, view in evaluate.door_proxy(photos, seed=recipe.seed):
        label = recipe.index(int(view.labels[0])) if len(view.labels) else None
        if label is not None:
            box = view.boxes_px[0]
            side = float((box[2:] - box[:2]).min()) * REFERENCE_SIDE_PX / max(view.image.shape[:2])
            cut = _cut(view.image, box, recipe)
            made.add(cut, label, side, numbers(name.rpartition("#")[0]))
    return made


def _cut(picture: Image, box_px: Floats, recipe: Recipe) -> Image:
    size_px = recipe.input.size_px
    square = crops.cut(picture, box_px, margin=recipe.margin, size_px=size_px)
    return crops.as_input(square, recipe.input.colour)


def _reference_side(box_px: Floats, photo: Photo) -> float:
    side = float((box_px[2:] - box_px[:2]).min())
    return side * REFERENCE_SIDE_PX / max(photo.width, photo.height)
