"""Real picture and video files; only the clock is a fake."""

import itertools
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Protocol

import cv2
import numpy as np
import pytest
from edge_detector.sources import files
from edge_detector.sources.base import Frame, Pace, Source, UnreadablePicture
from edge_detector.sources.files import FileOptions
from maskwatch_runtime.errors import Misconfigured
from maskwatch_runtime.testing import FakeClock

_FPS = 10.0


class FakeStop(Protocol):
    waits_s: list[float]

    def is_set(self) -> bool: ...
    def set(self) -> None: ...
    def wait(self, timeout: float) -> bool: ...


class Unreadable:
    """Counts what was skipped."""

    def __init__(self) -> None:
        self.count = 0

    def __call__(self) -> None:
        self.count += 1


@pytest.fixture
def unreadable() -> Unreadable:
    return Unreadable()


Open = Callable[..., Source]


@pytest.fixture
def open_(clock: FakeClock, unreadable: Unreadable) -> Open:
    def open_files(
        path: Path, *, scenes: bool = True, loop: bool = False, paced: bool = True
    ) -> Source:
        return files.open_files(
            path,
            FileOptions(pictures_are_scenes=scenes, fps=_FPS, is_looped=loop),
            pace=Pace(clock, is_kept=paced),
            on_unreadable=unreadable,
        )

    return open_files


def _picture(path: Path, value: int, *, height: int = 12, width: int = 16) -> Path:
    cv2.imwrite(str(path), np.full((height, width, 3), value, np.uint8))
    return path


def _video(path: Path, *, frames: int, fps: float = _FPS) -> Path:
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter.fourcc(*"MJPG"), fps, (64, 48))
    for number in range(frames):
        writer.write(np.full((48, 64, 3), number * 20, np.uint8))
    writer.release()
    return path


def _values(frames: Iterator[Frame] | list[Frame]) -> list[int]:
    return [int(frame.image_bgr.mean()) for frame in frames]


def test_picture_is_one_frame_and_a_scene(tmp_path: Path, open_: Open, stop: FakeStop) -> None:
    (frame,) = open_(_picture(tmp_path / "a.png", 7)).frames(stop)

    assert frame.image_bgr.shape == (12, 16, 3)
    assert frame.is_scene
    assert stop.waits_s == []


def test_folder_comes_in_the_order_of_names_at_its_rate(
    tmp_path: Path, open_: Open, stop: FakeStop, clock: FakeClock
) -> None:
    for value, name in [(30, "c.png"), (10, "a.png"), (20, "b.PNG")]:
        _picture(tmp_path / name, value)
    (tmp_path / "notes.txt").write_text("no picture")

    frames = list(open_(tmp_path, scenes=False).frames(stop))

    assert _values(frames) == [10, 20, 30]
    assert [frame.at_s for frame in frames] == pytest.approx([0, 0.1, 0.2])
    assert not any(frame.is_scene for frame in frames)
    assert stop.waits_s == pytest.approx([0.1, 0.1])
    assert frames[-1].taken_at == clock.now()


def test_pictures_deeper_in_the_folder_are_found(
    tmp_path: Path, open_: Open, stop: FakeStop
) -> None:
    (tmp_path / "day" / "hour").mkdir(parents=True)
    _picture(tmp_path / "day" / "hour" / "a.png", 40)

    assert _values(open_(tmp_path).frames(stop)) == [40]


@pytest.mark.parametrize("content", [b"", b"no picture at all", b"\xff\xd8\xff\xe0 cut"])
def test_picture_that_cannot_be_decoded_is_skipped_and_counted(
    tmp_path: Path, open_: Open, stop: FakeStop, unreadable: Unreadable, content: bytes
) -> None:
    (tmp_path / "a.jpg").write_bytes(content)
    _picture(tmp_path / "b.png", 20)

    assert _values(open_(tmp_path).frames(stop)) == [20]
    assert unreadable.count == 1


def test_picture_that_disappears_meanwhile_is_skipped(
    tmp_path: Path, open_: Open, stop: FakeStop, unreadable: Unreadable
) -> None:
    first = _picture(tmp_path / "a.png", 10)
    source = open_(tmp_path)
    first.unlink()

    assert list(source.frames(stop)) == []
    assert unreadable.count == 1


def test_file_far_too_large_for_a_picture_is_not_decoded(tmp_path: Path) -> None:
    path = tmp_path / "a.jpg"
    with path.open("wb") as file:
        file.truncate(100 * 1024 * 1024)

    with pytest.raises(UnreadablePicture, match=r"a\.jpg has 104857600 bytes"):
        files.read_picture(path)


def test_grey_and_transparent_pictures_become_colour(tmp_path: Path) -> None:
    for name, shape in (("grey.png", (5, 6)), ("alpha.png", (5, 6, 4))):
        cv2.imwrite(str(tmp_path / name), np.zeros(shape, np.uint8))

        assert files.read_picture(tmp_path / name).shape == (5, 6, 3)


def test_video_gives_every_frame_at_its_own_rate(
    tmp_path: Path, open_: Open, stop: FakeStop
) -> None:
    frames = list(open_(_video(tmp_path / "v.avi", frames=5, fps=20)).frames(stop))

    assert _values(frames) == pytest.approx([0, 20, 40, 60, 80], abs=2)
    assert [frame.at_s for frame in frames] == pytest.approx([0, 0.05, 0.1, 0.15, 0.2])
    assert not any(frame.is_scene for frame in frames)
    assert sum(stop.waits_s) == pytest.approx(0.2)


def test_video_that_is_not_paced_is_not_waited_for(
    tmp_path: Path, open_: Open, stop: FakeStop
) -> None:
    frames = list(open_(_video(tmp_path / "v.avi", frames=5), paced=False).frames(stop))

    assert [frame.at_s for frame in frames] == pytest.approx([0, 0.1, 0.2, 0.3, 0.4])
    assert stop.waits_s == []


@pytest.mark.parametrize("content", [b"", b"no video" * 200])
def test_video_that_cannot_be_decoded_ends_at_once_and_is_counted(
    tmp_path: Path, open_: Open, stop: FakeStop, unreadable: Unreadable, content: bytes
) -> None:
    path = tmp_path / "v.mp4"
    path.write_bytes(content)

    assert list(open_(path, loop=True).frames(stop)) == []
    assert unreadable.count == 1


def test_file_name_is_no_pattern_of_numbers(tmp_path: Path, open_: Open, stop: FakeStop) -> None:
    _picture(tmp_path / "v1.png", 10)
    (tmp_path / "v%d.mp4").touch()

    assert list(open_(tmp_path / "v%d.mp4").frames(stop)) == []


def test_looped_video_goes_on_with_rising_time(tmp_path: Path, open_: Open, stop: FakeStop) -> None:
    source = open_(_video(tmp_path / "v.avi", frames=3), loop=True)
    frames = []
    for frame in source.frames(stop):
        frames.append(frame)
        if len(frames) == 7:
            stop.set()

    assert _values(frames) == pytest.approx([0, 20, 40, 0, 20, 40, 0], abs=2)
    times = [frame.at_s for frame in frames]
    assert all(later > earlier for earlier, later in itertools.pairwise(times))


def test_looped_picture_keeps_its_rate(tmp_path: Path, open_: Open, stop: FakeStop) -> None:
    frames = []
    for frame in open_(_picture(tmp_path / "a.png", 7), loop=True).frames(stop):
        frames.append(frame)
        if len(frames) == 4:
            stop.set()

    assert stop.waits_s[:3] == pytest.approx([0.1] * 3, abs=1e-6)
    assert all(frame.is_scene for frame in frames)


@pytest.mark.parametrize("kind", ["folder", "video"])
def test_stop_ends_the_reading(tmp_path: Path, open_: Open, stop: FakeStop, kind: str) -> None:
    if kind == "folder":
        for number in range(5):
            _picture(tmp_path / f"{number}.png", number)
        source = open_(tmp_path)
    else:
        source = open_(_video(tmp_path / "v.avi", frames=5))

    read = 0
    for _ in source.frames(stop):
        read += 1
        stop.set()

    assert read == 1


def test_missing_source_is_named(tmp_path: Path, open_: Open) -> None:
    with pytest.raises(Misconfigured, match=r"MASKWATCH_SOURCE: .*gone\.mp4 does not exist"):
        open_(tmp_path / "gone.mp4")


def test_folder_without_pictures_is_refused(tmp_path: Path, open_: Open) -> None:
    with pytest.raises(Misconfigured, match="holds no picture"):
        open_(tmp_path)


def test_video_without_a_rate_gets_the_usual_one(
    tmp_path: Path, open_: Open, stop: FakeStop
) -> None:
    """A raw stream of pictures has no frame rate that means anything."""
    data = b"".join(
        cv2.imencode(".jpg", np.full((48, 64, 3), value, np.uint8))[1].tobytes()
        for value in (10, 60, 110)
    )
    path = tmp_path / "v.mjpeg"
    path.write_bytes(data)

    frames = list(open_(path).frames(stop))

    assert len(frames) == 3
    assert 0 < frames[1].at_s <= 1
