import errno
import os
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from maskwatch_training.datasets import pictures
from maskwatch_training.datasets.labelled import XYXY
from PIL import Image as Pillow

WH = (48, 32)
FACE: XYXY = (4.0, 6.0, 20.0, 14.0)


def _oriented(path: Path, orientation: int) -> Path:
    pixels = np.zeros((WH[1], WH[0], 3), np.uint8)
    left, top, right, bottom = (int(side) for side in FACE)
    pixels[top:bottom, left:right] = (255, 0, 0)
    exif = Pillow.Exif()
    exif[0x0112] = orientation
    Pillow.fromarray(pixels).save(path, exif=exif)
    return path


@pytest.mark.parametrize("orientation", range(1, 9))
def test_box_turns_with_the_picture(tmp_path: Path, orientation: int) -> None:
    source = _oriented(tmp_path / "a.png", orientation)
    shape = pictures.measure(source)
    pictures.place_upright(source, tmp_path / "set" / "a.png")
    after = pictures.measure(tmp_path / "set" / "a.png")
    assert (after.orientation, after.stored_wh) == (1, shape.upright_wh)
    rows, columns = np.nonzero(pictures.decode(tmp_path / "set" / "a.png")[..., 0])
    seen = (columns.min(), rows.min(), columns.max() + 1, rows.max() + 1)
    assert pictures.turn(FACE, shape) == seen


def test_senseless_orientation_is_none(tmp_path: Path) -> None:
    assert pictures.measure(_oriented(tmp_path / "a.png", 9)).orientation == 1


@pytest.mark.parametrize("share", [0.0, 0.5, 0.95])
@pytest.mark.parametrize("suffix", [".jpg", ".png"])
def test_picture_that_stops_in_the_middle_is_broken(
    tmp_path: Path, draw: Callable[..., Path], suffix: str, share: float
) -> None:
    path = draw(tmp_path / f"a{suffix}", 1)
    path.write_bytes(path.read_bytes()[: int(path.stat().st_size * share)])
    with pytest.raises(pictures.PictureBroken, match="is no whole picture"):
        pictures.measure(path)


def test_missing_picture_is_not_called_broken(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        pictures.decode(tmp_path / "a.png")


def test_pictures_below_are_found_and_hidden_ones_are_not(
    tmp_path: Path, draw: Callable[..., Path]
) -> None:
    for name in ("b/a.JPG", "a.png", ".trash/c.png"):
        draw(tmp_path / name, 1)
    (tmp_path / "d.txt").write_text("")
    found = [path.relative_to(tmp_path).as_posix() for path in pictures.below(tmp_path)]
    assert found == ["a.png", "b/a.JPG"]


def test_picture_is_linked_and_copy_is_not(tmp_path: Path, draw: Callable[..., Path]) -> None:
    source = draw(tmp_path / "a.png", 1)
    pictures.place(source, tmp_path / "x" / "a.png")
    pictures.copy(source, tmp_path / "y" / "a.png")
    assert (tmp_path / "x" / "a.png").samefile(source)
    assert not (tmp_path / "y" / "a.png").samefile(source)


def test_picture_of_another_disk_is_copied(tmp_path: Path, draw: Callable[..., Path]) -> None:
    source = draw(tmp_path / "a.png", 1)

    def refuse(_: Path, __: Path) -> None:
        raise OSError(errno.EXDEV, os.strerror(errno.EXDEV))

    pictures.place(source, tmp_path / "x" / "a.png", link=refuse)
    assert (tmp_path / "x" / "a.png").read_bytes() == source.read_bytes()


def test_link_that_fails_for_another_reason_is_an_error(
    tmp_path: Path, draw: Callable[..., Path]
) -> None:
    source = draw(tmp_path / "a.png", 1)
    draw(tmp_path / "x" / "a.png", 2)
    with pytest.raises(FileExistsError):
        pictures.place(source, tmp_path / "x" / "a.png")
