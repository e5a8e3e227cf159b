"""Labelled photos: read from the data folder, split by group, decoded."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from maskwatch_training.arrays import Floats, Image, Integers
from maskwatch_training.datasets import labelled
from maskwatch_training.datasets.labelled import Entry, Kind
from maskwatch_training.labels import LABELS


class PhotoUnreadable(ValueError):  # noqa: N818 - named for what is wrong, as all our errors are
    """A photo is missing or is no picture; the message names it."""


@dataclass(frozen=True)
class Photo:
    """One annotated photo.

    `boxes_px` is (N, 4) xyxy in px of the stored photo, `labels` (N,) indexes LABELS; photos that
    share a `group` show the same scene and stay on one side of a split. A `crop` is one face that
    fills the picture. `dataset` is the name of the annotation file, which recipes go by: a `train`
    that `split` wrote may hold pictures of several sets.
    """

    path: Path
    file: str
    width: int
    height: int
    dataset: str
    group: str
    licence: str
    boxes_px: Floats
    labels: Integers
    kind: Kind = "scene"


def read(folder: Path, datasets: list[str]) -> list[Photo]:
    """Read the annotations of some data sets below the data folder.

    Args:
        folder: Holds `train/<dataset>.jsonl`, or `<dataset>.jsonl` as `import`, `merge` and `split`
            write it; either way `file` is relative to this folder.
        datasets: Their names.

    Raises:
        InvalidAnnotation: A line lacks a field, has an unknown label, a box without area or one
            outside the picture, or describes a picture a second time.
        FileNotFoundError: There is no such data set.
    """
    photos: list[Photo] = []
    for dataset in datasets:
        entries = labelled.read(annotation_file(folder, dataset))
        photos.extend(_photo(entry, folder, dataset) for entry in entries)
    return photos


def annotation_file(folder: Path, dataset: str) -> Path:
    """Return the file that describes a data set.

    Raises:
        FileNotFoundError: There is none.
    """
    candidates = (folder / "train" / f"{dataset}.jsonl", folder / f"{dataset}.jsonl")
    for path in candidates:
        if path.is_file():
            return path
    raise FileNotFoundError(f"{folder}: neither train/{dataset}.jsonl nor {dataset}.jsonl")


def _photo(entry: Entry, folder: Path, dataset: str) -> Photo:
    return Photo(
        path=folder / entry.file,
        file=entry.file,
        width=entry.width,
        height=entry.height,
        dataset=dataset,
        group=entry.scene,
        licence=entry.licence,
        boxes_px=np.array([box.xyxy for box in entry.boxes], np.float32).reshape(-1, 4),
        labels=np.array([LABELS.index(box.label) for box in entry.boxes], np.int64),
        kind=entry.kind,
    )


def split(
    photos: list[Photo], *, share: float, faceless_share: float, seed: int
) -> tuple[list[Photo], list[Photo]]:
    """Split into training and validation photos by group; the same seed gives the same split.

    Args:
        photos: All photos, in any order.
        share: Expected share of the groups that goes to validation, (0, 1).
        faceless_share: The same for photos without any face.
        seed: Changes which groups are drawn.
    """
    training: list[Photo] = []
    validation: list[Photo] = []
    faced_groups = {photo.group for photo in photos if len(photo.labels)}
    for photo in photos:
        wanted = share if photo.group in faced_groups else faceless_share
        digest = hashlib.sha256(f"{seed}:{photo.group}".encode()).digest()
        drawn = int.from_bytes(digest[:8], "big") / 2**64
        (validation if drawn < wanted else training).append(photo)
    return training, validation


def described(photos: Sequence[Photo]) -> dict[str, Any]:
    """Tell the photos, faces by class and stated licences of each data set, for a manifest."""
    told: dict[str, Any] = {}
    for dataset in sorted({photo.dataset for photo in photos}):
        own = [photo for photo in photos if photo.dataset == dataset]
        faces = Counter(LABELS[int(label)] for photo in own for label in photo.labels)
        told[dataset] = {
            "photos": len(own),
            "faces": dict(sorted(faces.items())),
            "licence_stated": sorted({photo.licence for photo in own}),
        }
    return told


def decode(photo: Photo) -> Image:
    """Decode a photo as RGB, shape (height, width, 3), as stored (no EXIF turn).

    Raises:
        PhotoUnreadable: The file is missing, no picture, or of another size than annotated.
    """
    if not photo.path.is_file():
        raise PhotoUnreadable(f"{photo.dataset}: file: {photo.file} is missing")
    flags = cv2.IMREAD_COLOR | cv2.IMREAD_IGNORE_ORIENTATION
    bgr = cv2.imread(str(photo.path), flags)
    if bgr is None:
        raise PhotoUnreadable(f"{photo.dataset}: file: {photo.file} is no picture")
    if bgr.shape[:2] != (photo.height, photo.width):
        found, said = f"{bgr.shape[1]}x{bgr.shape[0]}", f"{photo.width}x{photo.height}"
        raise PhotoUnreadable(f"{photo.dataset}: {photo.file} is {found} px, annotated as {said}")
    return np.asarray(cv2.cvtColor(bgr, cv2.COLOR_BGR2RGB), np.uint8)
