from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np
import pytest
from maskwatch_training.arrays import Image
from maskwatch_training.capture import sources
from maskwatch_training.capture.faces import Finder
from maskwatch_training.capture.store import Store
from maskwatch_training.capture.testing import store_in
from matplotlib import cbook


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    store = store_in(tmp_path / "set")
    yield store
    store.close()


@pytest.fixture(scope="session")
def portrait_path() -> Path:
    """Grace Hopper, a photo of the US Navy in the public domain, from matplotlib's wheel."""
    return Path(str(cbook.get_sample_data("grace_hopper.jpg", asfileobj=False)))


@pytest.fixture(scope="session")
def portrait(portrait_path: Path) -> Image:
    picture = sources.read_picture(portrait_path)
    assert picture is not None
    return picture


@pytest.fixture(scope="session")
def finder(detector_path: Path) -> Finder:
    return Finder(detector_path, score_min=0.4)


@pytest.fixture(scope="session")
def film(tmp_path_factory: pytest.TempPathFactory, portrait: Image) -> Path:
    """Twelve frames in which the portrait drifts to the right."""
    path = tmp_path_factory.mktemp("film") / "film.avi"
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter.fourcc(*"MJPG"), 10.0, (480, 360))
    face = cv2.resize(portrait, (300, 352))
    for number in range(12):
        scene = np.full((360, 480, 3), 150, np.uint8)
        scene[8:, 20 + 6 * number :][:, :300] = face
        writer.write(cv2.cvtColor(scene, cv2.COLOR_RGB2BGR))
    writer.release()
    return path
