"""Near-duplicates: pictures that look the same, found by perceptual hash and colour.

Source: Zauner, Implementation and Benchmarking of Perceptual Image Hash Functions, 2010 (pHash).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2
import imagehash
import numpy as np
from PIL import Image as Pillow

from maskwatch_training.arrays import Flags, Floats, Image
from maskwatch_training.datasets import pictures, progress
from maskwatch_training.datasets.labelled import Entry

_HASH_SIDE = 8
BITS = _HASH_SIDE * _HASH_SIDE
_COLOUR_SIDE_PX = 8
_ROWS_AT_ONCE = 1024


@dataclass(frozen=True)
class Alike:
    """When two pictures are near-duplicates.

    Attributes:
        bits_max: Of the 64 bits of their hashes, so many may differ.
        colour_max: Mean difference of their colours in an 8x8 grid, of 255.
    """

    bits_max: int = 8
    colour_max: float = 40.0


@dataclass(frozen=True)
class Pair:
    """Two near-duplicates by their places in the list, first < second."""

    first: int
    second: int
    bits: int
    is_mirrored: bool


@dataclass(frozen=True)
class Fingerprints:
    """Of N pictures: hash bits as they are and mirrored, (N, 64); colours (N, 192) in 0 to 255."""

    bits: Flags
    mirrored_bits: Flags
    colours: Floats


def fingerprints(paths: Sequence[Path], *, step: str) -> Fingerprints:
    """Look at every picture.

    Raises:
        PictureBroken: One is no whole picture.
        FileNotFoundError: One is missing.
    """
    plain, mirrored, colours = [], [], []
    for path in progress.shown(paths, step):
        picture = pictures.decode(path)
        small = cv2.resize(
            picture, (_COLOUR_SIDE_PX, _COLOUR_SIDE_PX), interpolation=cv2.INTER_AREA
        )
        plain.append(_hash(picture))
        mirrored.append(_hash(picture[:, ::-1]))
        colours.append(small.astype(np.float32).ravel())
    count = len(paths)
    return Fingerprints(
        np.array(plain, bool).reshape(count, BITS),
        np.array(mirrored, bool).reshape(count, BITS),
        np.array(colours, np.float32).reshape(count, 3 * _COLOUR_SIDE_PX**2),
    )


def _hash(picture: Image) -> Flags:
    image = Pillow.fromarray(np.ascontiguousarray(picture))
    return np.asarray(imagehash.phash(image, hash_size=_HASH_SIDE).hash, bool).ravel()


def pairs(looks: Fingerprints, alike: Alike) -> list[Pair]:
    """Return all near-duplicates, mirrored ones too, in the order of the list."""
    found = [*_close(looks, looks.bits, alike, is_mirrored=False)]
    plain = {(pair.first, pair.second) for pair in found}
    mirrored = _close(looks, looks.mirrored_bits, alike, is_mirrored=True)
    found += [pair for pair in mirrored if (pair.first, pair.second) not in plain]
    return sorted(found, key=lambda pair: (pair.first, pair.second))


def _close(
    looks: Fingerprints, others: Flags, alike: Alike, *, is_mirrored: bool
) -> Iterator[Pair]:
    # Bits as -1 and 1: their product is 64 less twice the number that differs.
    signs = np.where(looks.bits, np.float32(1), np.float32(-1))
    other_signs = np.where(others, np.float32(1), np.float32(-1))
    for start in range(0, len(signs), _ROWS_AT_ONCE):
        distances = (BITS - signs[start : start + _ROWS_AT_ONCE] @ other_signs.T) / 2
        for row, second in np.argwhere(distances <= alike.bits_max).tolist():
            pair = Pair(start + row, second, int(distances[row, second]), is_mirrored)
            if pair.first < second and _colour_difference(looks, pair) <= alike.colour_max:
                yield pair


def _colour_difference(looks: Fingerprints, pair: Pair) -> float:
    shape = (_COLOUR_SIDE_PX, _COLOUR_SIDE_PX, 3)
    one, other = looks.colours[pair.first].reshape(shape), looks.colours[pair.second].reshape(shape)
    return float(np.abs(one - (other[:, ::-1] if pair.is_mirrored else other)).mean())


def joined_groups(entries: Sequence[Entry], found: Iterable[Pair]) -> list[str]:
    """Return each entry's group after near-duplicates and all of their groups became one.

    The earliest entry's group names the joined one, so that entries given later do not rename it.
    """
    first_of: dict[str, int] = {}
    links = [(pair.first, pair.second) for pair in found]
    for index, entry in enumerate(entries):
        links.append((first_of.setdefault(entry.scene, index), index))
    return [entries[root].scene for root in clusters(len(entries), links)]


def clusters(count: int, pairs_of: Iterable[tuple[int, int]]) -> list[int]:
    """Return, for each of `count` items, the first item that pairs lead to, directly or not."""
    root = list(range(count))

    def find(item: int) -> int:
        while root[item] != item:
            root[item] = root[root[item]]
            item = root[item]
        return item

    for one, other in pairs_of:
        low, high = sorted((find(one), find(other)))
        root[high] = low
    return [find(item) for item in range(count)]
