"""Labelled photos: read from the data folder, split by group, decoded."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np

from maskwatch_training.arrays import Floats, Image, Integers
from maskwatch_training.labels import LABELS


class InvalidAnnotation(ValueError):  # noqa: N818 - named for what is wrong, as all our errors are
    """A line of an annotation file cannot be used; the message names file, line and field."""


class PhotoUnreadable(ValueError):  # noqa: N818 - named for what is wrong, as all our errors are
    """A photo is missing or is no picture; the message names it."""


@dataclass(frozen=True)
class Photo:
    """One annotated photo.

    `boxes_px` is (N, 4) xyxy in px of the stored photo, `labels` (N,) indexes LABELS; photos that
    share a `group` show the same scene and stay on one side of a split.
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


def read(folder: Path, datasets: list[str]) -> list[Photo]:
    """Read the annotations `train/<dataset>.jsonl` below the data folder.

    Raises:
        InvalidAnnotation: A line lacks a field, has an unknown label or a box without area.
    """
    photos: list[Photo] = []
    for dataset in datasets:
        annotations = folder / "train" / f"{dataset}.jsonl"
        for number, line in enumerate(annotations.read_text(encoding="utf-8").splitlines(), 1):
            if line.strip():
                photos.append(_parse(line, folder, f"{annotations.name}:{number}"))
    return photos


def _parse(line: str, folder: Path, where: str) -> Photo:
    try:
        entry = json.loads(line)
        boxes = np.array([box["xyxy"] for box in entry["boxes"]], np.float32).reshape(-1, 4)
        labels = np.array([LABELS.index(box["label"]) for box in entry["boxes"]], np.int64)
        photo = Photo(
            path=folder / entry["file"],
            file=entry["file"],
            width=int(entry["width"]),
            height=int(entry["height"]),
            dataset=entry["dataset"],
            group=str(entry.get("group", entry["file"])),
            licence=entry["licence"],
            boxes_px=boxes,
            labels=labels,
        )
    except (KeyError, TypeError, ValueError) as error:
        raise InvalidAnnotation(f"{where}: {error!r}") from error
    if (boxes[:, 2:] <= boxes[:, :2]).any():
        raise InvalidAnnotation(f"{where}: boxes: a box has no area")
    return photo


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


def decode(photo: Photo) -> Image:
    """Decode a photo as RGB, shape (height, width, 3), as stored (no EXIF turn).

    Raises:
        PhotoUnreadable: The file is missing, no picture, or of another size than annotated.
    """
    flags = cv2.IMREAD_COLOR | cv2.IMREAD_IGNORE_ORIENTATION
    bgr = cv2.imread(str(photo.path), flags)
    if bgr is None:
        raise PhotoUnreadable(f"{photo.file}: missing or no picture")
    if bgr.shape[:2] != (photo.height, photo.width):
        raise PhotoUnreadable(f"{photo.file}: is {bgr.shape[1]}x{bgr.shape[0]}, not as annotated")
    return np.asarray(cv2.cvtColor(bgr, cv2.COLOR_BGR2RGB), np.uint8)
