"""What the page gets to see of judged frames, alerts and cameras."""

from datetime import UTC, datetime, timedelta
from uuid import UUID

import cv2
import numpy as np
import pytest
from edge_detector.cameras import CameraPlan
from edge_detector.display import Display
from edge_detector.judged import Judged, Person
from edge_detector.privacy import Present
from edge_detector.sources.base import Frame
from edge_detector.vision.faces import Faces
from edge_detector.web.board import Board, State
from maskwatch_proto.alert import Alert, Device, Image, Label
from maskwatch_proto.device_event import CameraChanged, CameraState, DeviceEvent, EpisodeEnded
from maskwatch_runtime.testing import FakeClock

_AT = datetime(2026, 1, 1, tzinfo=UTC)
_PICTURE = np.random.default_rng(1).integers(0, 255, (40, 60, 3), dtype=np.uint8)
_BOX = (10.0, 5.0, 30.0, 25.0)
_STAY = UUID(int=5)


def _plan(name: str = "door", source: str = "posted", **values: object) -> CameraPlan:
    return CameraPlan.model_validate({"name": name, "source": source, **values})


def _judged(*, is_looked_at: bool = True) -> Judged:
    faces = Faces(
        np.array([_BOX], np.float32),
        np.array([0.9], np.float32),
        np.array([[0.2, 0.8]], np.float32),
        (Label.MASK, Label.NO_MASK),
        (Label.NO_MASK,),
        np.zeros(1, np.bool_),
    )
    people = (Person(3, _BOX, 0), Person(4, (0.0, 0.0, 5.0, 5.0), None))
    boxes = np.array([_BOX], np.float32)
    present = Present(boxes, np.empty((0, 4), np.float32))
    frame = Frame(_PICTURE, _AT, 0.0)
    return Judged(frame, faces if is_looked_at else None, people, present, 0.025)


def _alert(*, jpeg: bytes = b"") -> Alert:
    return Alert(
        event_id=UUID(int=1),
        event_time=_AT,
        device=Device(guid="d"),
        probability=0.8,
        label=Label.NO_MASK,
        camera="door",
        episode_id=_STAY,
        image=Image(format="jpg", width=60, height=40, data=jpeg),
    )


def _ended(*, violated: bool = True) -> DeviceEvent:
    happening = EpisodeEnded(
        episode_id=_STAY,
        started_at=_AT - timedelta(seconds=2),
        duration_s=9.0,
        label=Label.MASK,
        violated=violated,
        mask_put_on_after_s=4.0,
    )
    return DeviceEvent(
        event_id=UUID(int=2),
        event_time=_AT + timedelta(seconds=67),
        device=Device(guid="d"),
        camera="door",
        happening=happening,
    )


@pytest.fixture
def display(clock: FakeClock) -> Display:
    made = Display(Board((), clock))
    made.planned([_plan()])
    return made


def test_frame_is_shown_with_whoever_was_seen_in_it(display: Display) -> None:
    display.judged("door", _judged())

    shown = display.board.newest()["door"].shown
    assert shown.size_wh == (60, 40)
    assert shown.inference_ms == 25
    assert [(face.xyxy_px, face.label, face.track) for face in shown.faces] == [
        (_BOX, Label.NO_MASK, 3)
    ]
    assert shown.faces[0].probability == pytest.approx(0.8)


def test_frame_in_which_nothing_moved_keeps_the_faces(display: Display) -> None:
    display.judged("door", _judged())
    display.judged("door", _judged(is_looked_at=False))

    newest = display.board.newest()["door"]
    assert newest.sequence == 2
    assert [face.track for face in newest.shown.faces] == [3]


@pytest.mark.parametrize("mode", ["evidence", "blurred", "stats"])
def test_picture_is_what_privacy_leaves_of_it(clock: FakeClock, mode: str) -> None:
    display = Display(Board((), clock))
    display.planned([_plan(privacy=mode)])

    display.judged("door", _judged())

    picture = display.board.newest()["door"].shown.picture()
    face = np.s_[5:25, 10:30]
    if mode == "evidence":
        assert picture is not None
        assert np.array_equal(picture, _PICTURE)
    elif mode == "blurred":
        assert picture is not None
        assert picture[face].std() < _PICTURE[face].std() / 2
    else:
        assert picture is None


def test_who_looks_first_sees_a_blurred_picture_made_for_all(clock: FakeClock) -> None:
    display = Display(Board((), clock))
    display.planned([_plan(privacy="blurred")])
    display.judged("door", _judged())  # while nobody watches

    frame = display.board.newest()["door"]
    jpegs = [frame.jpeg(width_px_max=60) for _ in range(2)]

    assert jpegs[0].startswith(b"\xff\xd8\xff")
    assert jpegs[0] is jpegs[1]


@pytest.mark.parametrize(("privacy", "is_shown"), [("evidence", True), ("stats", False)])
def test_picture_of_before_is_withheld_when_privacy_changes(
    display: Display, privacy: str, *, is_shown: bool
) -> None:
    display.judged("door", _judged())

    display.planned([_plan(privacy=privacy)])

    assert ("door" in display.board.newest()) is is_shown
    assert display.board.cameras() == [("door", State.UP, "")]


def test_alert_is_an_episode_with_its_picture_and_its_end(display: Display) -> None:
    _, encoded = cv2.imencode(".jpg", _PICTURE)
    display.told(_alert(jpeg=encoded.tobytes()))
    display.told(_ended())

    ((episode, has_thumbnail),) = display.board.episodes()
    assert has_thumbnail
    assert (episode.id, episode.camera, episode.label) == (str(_STAY), "door", Label.NO_MASK)
    assert episode.begun_at == _AT - timedelta(seconds=2)
    assert episode.ended_at == _AT + timedelta(seconds=7)
    assert episode.is_mask_put_on is True


def test_stay_without_an_alert_is_not_shown_and_one_without_a_picture_has_none(
    display: Display,
) -> None:
    display.told(_ended(violated=False))
    display.told(_ended())
    assert display.board.episodes() == []

    display.told(_alert())
    assert [has for _, has in display.board.episodes()] == [False]


def test_board_follows_the_plans_and_the_cameras(display: Display) -> None:
    down = CameraChanged(state=CameraState.DOWN, reason="no frame comes", since=_AT)
    display.changed("door", down)
    assert display.board.cameras() == [("door", State.DOWN, "no frame comes")]
    display.changed("door", CameraChanged(state=CameraState.UP, since=_AT, down_s=3, reason="it"))
    assert display.board.cameras() == [("door", State.UP, "")]

    display.planned([_plan(), _plan("desk", "browser")])
    assert display.board.cameras() == [("door", State.UP, ""), ("desk", State.WAITING, "")]
    assert display.board.from_browsers == {"desk"}

    display.planned([_plan("desk", "browser")])
    display.judged("door", _judged())  # was still on its way
    assert [name for name, _, _ in display.board.cameras()] == ["desk"]
