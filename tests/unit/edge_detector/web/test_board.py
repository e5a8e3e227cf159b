import threading
from collections.abc import Callable
from datetime import timedelta

import cv2
import numpy as np
import pytest
from edge_detector.vision.arrays import Picture
from edge_detector.web.board import Board, Episode, Shown, ShownFace, State
from maskwatch_proto.alert import Label
from maskwatch_runtime.testing import FakeClock

_SIZE = (1280, 720)


def _shown(clock: FakeClock, picture: Picture | None, *, age_s: float = 0.0) -> Shown:
    face = ShownFace((10, 20, 30, 40), Label.NO_MASK, 0.9, 7)
    return Shown(lambda: picture, _SIZE, (face,), clock.now() - timedelta(seconds=age_s), 12.5)


@pytest.fixture
def picture() -> Picture:
    return np.full((720, 1280, 3), (10, 200, 30), np.uint8)


def test_camera_waits_until_its_first_frame(board: Board, clock: FakeClock) -> None:
    assert board.cameras() == [("door", State.WAITING, "")]
    assert board.newest() == {}

    board.publish("door", _shown(clock, None))

    assert board.cameras() == [("door", State.UP, "")]


def test_latest_frame_wins(board: Board, clock: FakeClock, picture: Picture) -> None:
    for _ in range(3):
        board.publish("door", _shown(clock, picture))

    assert board.newest()["door"].sequence == 3


def test_age_counts_from_the_taking(board: Board, clock: FakeClock) -> None:
    clock.advance(100)
    board.publish("door", _shown(clock, None, age_s=1.5))
    clock.jump(-3600)

    assert board.newest()["door"].taken_s == pytest.approx(98.5)


def test_frame_from_the_future_is_as_old_as_now(board: Board, clock: FakeClock) -> None:
    clock.advance(100)
    board.publish("door", _shown(clock, None, age_s=-5))

    assert board.newest()["door"].taken_s == pytest.approx(100)


def test_rate_is_that_of_the_last_frames(board: Board, clock: FakeClock) -> None:
    for gap_s in [1.0] * 5 + [0.2] * 10:
        clock.advance(gap_s)
        board.publish("door", _shown(clock, None))

    assert board.newest()["door"].fps == pytest.approx(5)


def test_picture_is_encoded_once_and_scaled_down(
    board: Board, clock: FakeClock, picture: Picture
) -> None:
    board.publish("door", _shown(clock, picture))
    frame = board.newest()["door"]

    jpeg = frame.jpeg(width_px_max=640)

    decoded = cv2.imdecode(np.frombuffer(jpeg, np.uint8), cv2.IMREAD_COLOR)
    assert decoded is not None
    assert decoded.shape == (360, 640, 3)
    assert np.abs(decoded[100, 100].astype(int) - (10, 200, 30)).max() <= 4
    assert frame.jpeg(width_px_max=640) is jpeg


def test_small_picture_keeps_its_size(board: Board, clock: FakeClock) -> None:
    board.publish("door", _shown(clock, np.zeros((90, 160, 3), np.uint8)))

    jpeg = board.newest()["door"].jpeg(width_px_max=640)

    decoded = cv2.imdecode(np.frombuffer(jpeg, np.uint8), cv2.IMREAD_COLOR)
    assert decoded is not None
    assert decoded.shape == (90, 160, 3)


def test_withheld_picture_has_no_bytes(board: Board, clock: FakeClock) -> None:
    board.publish("door", _shown(clock, None))

    assert board.newest()["door"].jpeg(width_px_max=640) == b""


def test_state_is_told_with_its_reason_until_a_frame_comes(board: Board, clock: FakeClock) -> None:
    board.state("door", State.DOWN, "no frame for 5 s")
    assert board.cameras() == [("door", State.DOWN, "no frame for 5 s")]

    board.publish("door", _shown(clock, None))

    assert board.cameras() == [("door", State.UP, "")]


def test_stopped_camera_stays_stopped_when_a_last_frame_comes(
    board: Board, clock: FakeClock
) -> None:
    board.state("door", State.STOPPED)
    board.publish("door", _shown(clock, None))
    assert board.cameras() == [("door", State.STOPPED, "")]

    board.state("door", State.WAITING)
    board.publish("door", _shown(clock, None))

    assert board.cameras() == [("door", State.UP, "")]


def test_forgotten_camera_is_gone(board: Board) -> None:
    board.forget("door")
    board.forget("roof")

    assert board.cameras() == []


def test_episode_is_one_from_its_beginning_to_its_end(board: Board, clock: FakeClock) -> None:
    face = np.full((100, 80, 3), 90, np.uint8)
    begun = Episode("1", "door", Label.NO_MASK, clock.now(), thumbnail_bgr=face)
    board.episode(begun)
    ended = Episode("1", "door", Label.NO_MASK, clock.now(), clock.now(), is_mask_put_on=True)
    board.episode(ended)

    assert board.episodes() == [(ended, True)]
    assert board.thumbnail("1").startswith(b"\xff\xd8\xff")


def test_last_episodes_stand_first_and_old_ones_go(board: Board, clock: FakeClock) -> None:
    for number in range(40):
        board.episode(Episode(str(number), "door", Label.NO_MASK, clock.now()))

    names = [episode.id for episode, _ in board.episodes()]
    assert names == [str(number) for number in range(39, 9, -1)]
    assert board.thumbnail("0") == b""


def test_listeners_hear_of_every_change_until_they_leave(board: Board, clock: FakeClock) -> None:
    heard = threading.Semaphore(0)
    board.listen(heard.release)
    changes: list[Callable[[], None]] = [
        lambda: board.publish("door", _shown(clock, None)),
        lambda: board.state("door", State.DOWN),
        lambda: board.episode(Episode("1", "door", Label.NO_MASK, clock.now())),
        lambda: board.forget("door"),
    ]
    for change in changes:
        change()
        assert heard.acquire(blocking=False)

    board.leave(heard.release)
    changes[0]()

    assert not heard.acquire(blocking=False)
