"""From what the cameras see to what the live page shows, as privacy leaves it."""

from collections.abc import Iterable, Sequence
from dataclasses import replace
from datetime import timedelta
from functools import partial

import cv2
import numpy as np
from maskwatch_proto.alert import Alert, Label
from maskwatch_proto.device_event import CameraChanged, CameraState, DeviceEvent, EpisodeEnded

from edge_detector import privacy
from edge_detector.cameras import CameraPlan, SourceKind
from edge_detector.judged import Judged, Person
from edge_detector.vision.arrays import Picture
from edge_detector.vision.faces import Faces
from edge_detector.web.board import Board, Episode, Shown, ShownFace, State


class Display:
    """Fills a board; a picture is treated when somebody looks at it.

    Attributes:
        board: What it fills.
    """

    def __init__(self, board: Board) -> None:
        self.board = board
        self._privacy: dict[str, privacy.Plan] = {}
        self._faces: dict[str, tuple[ShownFace, ...]] = {}

    def planned(self, plans: Sequence[CameraPlan]) -> None:
        """Show these cameras, and no other."""
        treated = {
            plan.name: privacy.Plan(privacy.Mode(plan.privacy), plan.blur_violators)
            for plan in plans
        }
        for name in self._privacy.keys() - treated.keys():
            self.board.forget(name)
        for name in [name for name in treated if name not in self._privacy]:
            self.board.state(name, State.WAITING)
        for name in [name for name in treated if treated[name] != self._privacy.get(name)]:
            self.board.withhold(name)
        self._privacy = treated
        self.board.take_from_browsers(
            plan.name for plan in plans if plan.kind is SourceKind.BROWSER
        )

    def judged(self, camera: str, judged: Judged) -> None:
        """Show a frame; one in which nothing moved keeps the faces of the last look."""
        plan = self._privacy.get(camera)
        if plan is None:
            return  # it was taken out of the file
        if judged.faces is not None:
            self._faces[camera] = _faces(judged.people, judged.faces)
        frame = judged.frame
        height, width = frame.image_bgr.shape[:2]
        picture = partial(privacy.shown, frame.image_bgr, judged.present, plan)
        faces = self._faces.get(camera, ())
        shown = Shown(picture, (width, height), faces, frame.taken_at, 1000 * judged.detect_s)
        self.board.publish(camera, shown)

    def changed(self, camera: str, change: CameraChanged) -> None:
        """Show that a camera went down or came back."""
        state = State.UP if change.state is CameraState.UP else State.DOWN
        self.board.state(camera, state, change.reason if state is State.DOWN else "")

    def told(self, event: Alert | DeviceEvent) -> None:
        """Show an alert as an episode, and later how it has ended."""
        if isinstance(event, Alert):
            self.board.episode(_begun(event))
        elif isinstance(event.happening, EpisodeEnded) and event.happening.violated:
            self._end(event.happening)

    def _end(self, ended: EpisodeEnded) -> None:
        number = str(ended.episode_id)
        known = [episode for episode, _ in self.board.episodes() if episode.id == number]
        for episode in known:  # none, when many others came after it
            self.board.episode(
                replace(
                    episode,
                    begun_at=ended.started_at,
                    # Not the event's time: that somebody has left is known after their absence.
                    ended_at=ended.started_at + timedelta(seconds=ended.duration_s),
                    is_mask_put_on=ended.mask_put_on_after_s is not None,
                    thumbnail_bgr=None,
                )
            )


def _faces(people: Iterable[Person], faces: Faces) -> tuple[ShownFace, ...]:
    return tuple(
        ShownFace(
            person.box_px,
            faces.labels[person.face],
            min(1.0, float(faces.probabilities[person.face].max())),
            person.track,
        )
        for person in people
        if person.face is not None
    )


def _begun(alert: Alert) -> Episode:
    return Episode(
        id=str(alert.episode_id or alert.event_id),
        camera=alert.camera,
        label=alert.label or Label.NO_MASK,
        begun_at=alert.episode_started_at or alert.event_time,
        thumbnail_bgr=_decoded(alert.image.data),
    )


def _decoded(jpeg: bytes) -> Picture | None:
    """Return the picture that was kept as evidence, and so may be shown."""
    if not jpeg:
        return None
    picture = cv2.imdecode(np.frombuffer(jpeg, np.uint8), cv2.IMREAD_REDUCED_COLOR_2)
    return None if picture is None else np.asarray(picture, np.uint8)
