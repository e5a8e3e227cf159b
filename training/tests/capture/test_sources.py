from pathlib import Path

import cv2
import numpy as np
import pytest
from maskwatch_training.capture import sources
from maskwatch_training.capture.session import Frame
from maskwatch_training.capture.sources import Source, SourceUnusable


def _open(text: str | Path, *, every: int = 1, first: int = 0) -> Source:
    return sources.open_source(str(text), every=every, first_frame=lambda _name: first)


def _all(source: Source) -> list[Frame]:
    taken = iter(source.take, None)
    return list(taken)


def _write(path: Path, shade: int) -> None:
    cv2.imwrite(str(path), np.full((10, 20, 3), shade, np.uint8))


def test_folder_gives_its_pictures_by_name_and_counts_what_is_none(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    _write(tmp_path / "b.png", 2)
    _write(tmp_path / "a.png", 1)
    (tmp_path / "c.jpg").write_bytes(b"no picture")
    (tmp_path / "d.jpg").write_bytes(b"")
    (tmp_path / "notes.txt").write_text("no picture either")
    source = _open(tmp_path)
    assert [(one.source, one.number) for one in _all(source)] == [("a.png", 0), ("b.png", 1)]
    assert source.unreadable == 2
    assert "c.jpg" in capsys.readouterr().err


def test_single_picture_is_given_once_as_rgb(tmp_path: Path) -> None:
    blue = np.zeros((10, 20, 3), np.uint8)
    blue[..., 0] = 255
    cv2.imwrite(str(tmp_path / "one.png"), blue)
    (only,) = _all(_open(tmp_path / "one.png"))
    assert only.picture[0, 0].tolist() == [0, 0, 255]
    assert only.size == (20, 10)


def test_film_gives_every_nth_frame_from_where_it_stopped(film: Path) -> None:
    assert [one.number for one in _all(_open(film, every=5))] == [0, 5, 10]
    source = _open(film, every=4, first=3)
    assert [one.number for one in _all(source)] == [3, 7, 11]
    source.close()


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("nothing", None, "does not exist"),
        ("empty.avi", b"", "neither a picture nor a film"),
        ("text.txt", b"words", "neither a picture nor a film"),
        ("broken.jpg", b"words", "no picture that can be decoded"),
    ],
)
def test_source_that_cannot_be_used_is_named(
    tmp_path: Path, name: str, content: bytes | None, said: str
) -> None:
    if content is not None:
        (tmp_path / name).write_bytes(content)
    with pytest.raises(SourceUnusable, match=f"{name}.*{said}"):
        _open(tmp_path / name)


def test_folder_without_a_picture_is_named(tmp_path: Path) -> None:
    with pytest.raises(SourceUnusable, match="holds no picture"):
        _open(tmp_path)


@pytest.mark.parametrize("device", ["63", "/dev/video63"])
def test_camera_that_is_not_there_is_named(device: str) -> None:
    with pytest.raises(SourceUnusable, match=f"no camera opens at .*{device}"):
        _open(device)


def test_camera_gives_its_newest_frame_and_says_when_it_is_gone(film: Path) -> None:
    # OpenCV reads a file as it reads a device: the film is a camera that is unplugged at its end.
    camera = sources.Camera(str(film), name="film")
    camera.close()
    newest = camera.take()
    assert newest is not None
    assert newest.size == (480, 360)
    assert camera.is_live
    with pytest.raises(SourceUnusable, match="gives no picture any more"):
        camera.take()


def test_pushed_picture_is_taken_once() -> None:
    source = sources.Pushed("browser")
    assert source.take() is None
    for shade in (1, 2):
        source.offer(np.full((4, 4, 3), shade, np.uint8))
    taken = source.take()
    assert taken is not None
    assert (taken.number, int(taken.picture[0, 0, 0])) == (1, 2)
    assert source.take() is None
    source.offer(np.zeros((4, 4, 3), np.uint8))
    source.close()
    assert source.take() is None
