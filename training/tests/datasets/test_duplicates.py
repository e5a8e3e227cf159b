from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from maskwatch_training.arrays import Image
from maskwatch_training.datasets import duplicates, pictures
from maskwatch_training.datasets.duplicates import Alike, Pair

Draw = Callable[..., Path]
Change = Callable[[Image], Image]


def _pairs(*paths: Path, alike: Alike | None = None) -> list[Pair]:
    return duplicates.pairs(duplicates.fingerprints(paths, step="test"), alike or Alike())


def _smaller(picture: Image) -> Image:
    return np.asarray(cv2.resize(picture, (200, 150), interpolation=cv2.INTER_AREA), np.uint8)


def _brighter(picture: Image) -> Image:
    return np.asarray(cv2.convertScaleAbs(picture, alpha=1.05, beta=8), np.uint8)


def _compressed(picture: Image) -> Image:
    _, jpeg = cv2.imencode(".jpg", picture, [cv2.IMWRITE_JPEG_QUALITY, 30])
    return np.asarray(cv2.imdecode(jpeg, cv2.IMREAD_COLOR), np.uint8)


@pytest.mark.parametrize("change", [_smaller, _brighter, _compressed])
def test_changed_copy_is_found(tmp_path: Path, draw: Draw, change: Change) -> None:
    paths = [draw(tmp_path / f"{seed}.png", seed, wh=(640, 480)) for seed in range(6)]
    copied = change(pictures.decode(paths[2])[..., ::-1])
    cv2.imwrite(str(tmp_path / "copy.png"), copied)
    (pair,) = _pairs(*paths, tmp_path / "copy.png")
    assert (pair.first, pair.second, pair.is_mirrored) == (2, 6, False)


def test_mirrored_copy_is_found_and_called_so(tmp_path: Path, draw: Draw) -> None:
    path = draw(tmp_path / "a.png", 1)
    cv2.imwrite(str(tmp_path / "b.png"), pictures.decode(path)[:, ::-1, ::-1])
    assert _pairs(path, tmp_path / "b.png") == [Pair(0, 1, 0, is_mirrored=True)]


def test_other_colours_are_no_duplicate(tmp_path: Path, draw: Draw) -> None:
    path = draw(tmp_path / "a.png", 1)
    grey = pictures.decode(path)[..., 1]
    tinted = np.stack([grey, np.zeros_like(grey), np.zeros_like(grey)], axis=-1)
    cv2.imwrite(str(tmp_path / "grey.png"), grey)
    cv2.imwrite(str(tmp_path / "tinted.png"), tinted)
    both = (tmp_path / "grey.png", tmp_path / "tinted.png")
    assert _pairs(*both) == []
    assert len(_pairs(*both, alike=Alike(bits_max=16, colour_max=255))) == 1


def test_no_picture_and_one_have_no_pair(tmp_path: Path, draw: Draw) -> None:
    assert _pairs() == []
    assert _pairs(draw(tmp_path / "a.png", 1)) == []


def test_broken_picture_is_named(tmp_path: Path) -> None:
    (tmp_path / "a.png").write_bytes(b"no picture")
    with pytest.raises(pictures.PictureBroken, match=r"a\.png: is no whole picture"):
        _pairs(tmp_path / "a.png")


@given(
    count=st.integers(1, 30),
    links=st.lists(st.tuples(st.integers(0, 29), st.integers(0, 29)), max_size=40),
)
def test_clusters_hold_what_is_linked_and_nothing_else(
    count: int, links: list[tuple[int, int]]
) -> None:
    known = [(one % count, other % count) for one, other in links]
    roots = duplicates.clusters(count, known)
    reached = np.eye(count, dtype=bool)
    for one, other in known:
        reached[one, other] = reached[other, one] = True
    for _ in range(count):
        reached = reached @ reached
    for item in range(count):
        assert roots[item] == int(np.flatnonzero(reached[item])[0])
