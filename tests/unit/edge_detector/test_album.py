from datetime import UTC, datetime

import cv2
import numpy as np
import pytest
from edge_detector import judged
from edge_detector.album import Album
from edge_detector.judged import Person
from edge_detector.people.episodes import Sighting
from edge_detector.people.policy import Judgement
from edge_detector.privacy import Mode, Plan
from edge_detector.sources.base import Frame
from edge_detector.vision.arrays import Picture
from maskwatch_proto.alert import Label

_BOX = (40.0, 40.0, 100.0, 100.0)
_NOW = datetime(2026, 1, 1, tzinfo=UTC)


def _picture(level: int, *, is_sharp: bool = True) -> Picture:
    noise = np.random.default_rng(1).integers(0, 60, (160, 160, 3), np.uint8) + np.uint8(level)
    return noise if is_sharp else np.asarray(cv2.GaussianBlur(noise, (0, 0), 3), np.uint8)


def _consider(album: Album, picture: Picture, *, at_s: float, label: Label = Label.NO_MASK) -> None:
    sighting = Sighting(1, _BOX, Judgement(label, 0.9, 60.0), score=0.8)
    made = judged.idle(
        Frame(picture, _NOW, at_s), (Person(1, _BOX, 0),), np.empty((0, 4), np.float32)
    )
    album.consider(7, sighting, made, at_s=at_s)


def _level(album: Album, label: Label = Label.NO_MASK) -> float:
    taken = album.take(7, label)
    assert taken is not None
    decoded = cv2.imdecode(np.frombuffer(taken.data, np.uint8), cv2.IMREAD_COLOR)
    return float(decoded[:30, :30].mean()) - 30


def test_sharper_picture_takes_the_place_of_the_blurred_one() -> None:
    album = Album(Plan(), size_bytes_max=50_000)
    _consider(album, _picture(20, is_sharp=False), at_s=0.0)
    _consider(album, _picture(100), at_s=0.2)
    _consider(album, _picture(180, is_sharp=False), at_s=0.4)

    assert _level(album) == pytest.approx(100, abs=8)


def test_old_picture_gives_way_to_a_worse_one() -> None:
    album = Album(Plan(), size_bytes_max=50_000)
    _consider(album, _picture(100), at_s=0.0)
    _consider(album, _picture(180, is_sharp=False), at_s=60.0)

    assert _level(album) == pytest.approx(180, abs=8)


def test_each_label_has_its_own_picture() -> None:
    album = Album(Plan(), size_bytes_max=50_000)
    _consider(album, _picture(100), at_s=0.0, label=Label.BAD_MASK)
    _consider(album, _picture(20, is_sharp=False), at_s=0.2)

    assert _level(album) == pytest.approx(20, abs=8)


def test_picture_is_taken_once_and_forgotten_with_the_episode() -> None:
    album = Album(Plan(), size_bytes_max=50_000)
    _consider(album, _picture(100), at_s=0.0)
    assert album.take(7, Label.NO_MASK) is not None
    assert album.take(7, Label.NO_MASK) is None

    _consider(album, _picture(100), at_s=1.0)
    album.keep({8})
    assert album.take(7, Label.NO_MASK) is None


def test_statistics_fill_no_album() -> None:
    album = Album(Plan(Mode.STATS), size_bytes_max=50_000)
    _consider(album, _picture(100), at_s=0.0)

    assert album.take(7, Label.NO_MASK) is None
