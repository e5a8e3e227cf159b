"""What was made of a frame, for whoever shows it."""

from dataclasses import dataclass

import numpy as np
from maskwatch_proto.alert import Label

from edge_detector.people.episodes import Episodes
from edge_detector.people.tracker import Box, Track
from edge_detector.privacy import Present
from edge_detector.sources.base import Frame
from edge_detector.vision.arrays import Floats
from edge_detector.vision.detector import Sight
from edge_detector.vision.faces import Faces


@dataclass(frozen=True, slots=True)
class Person:
    """Somebody who is followed.

    Attributes:
        track: The tracker's number.
        box_px: Where they are or were last seen, xyxy.
        face: Index into the frame's faces, None when they were not seen in it.
        verdict: What their judgements last agreed on.
        is_alerted: Whether an alert was raised.
    """

    track: int
    box_px: Box
    face: int | None
    verdict: Label = Label.UNSURE
    is_alerted: bool = False

    @property
    def is_violator(self) -> bool:
        """Whether their mask is known to be missing now."""
        return self.is_alerted and self.verdict is not Label.MASK


@dataclass(frozen=True, slots=True)
class Judged:
    """A frame and what was made of it.

    Attributes:
        frame: Nothing of it may be shown but what `privacy.shown` returns.
        faces: Found in it; None when nothing moved and the model did not look.
        people: Everyone who is followed.
        present: Every face and every place of one, for `privacy.shown`.
        detect_s: The models' time, seconds; 0 without a look.
    """

    frame: Frame
    faces: Faces | None
    people: tuple[Person, ...]
    present: Present
    detect_s: float = 0.0


def idle(frame: Frame, people: tuple[Person, ...], faint_px: Floats) -> Judged:
    """Return a frame that the model did not look at: everything is where it was at the last look.

    `faint_px`: the places where faces may have been then, xyxy, shape (N, 4).
    """
    return Judged(frame, None, people, _present(people, faint_px))


def looked(frame: Frame, sight: Sight, people: tuple[Person, ...], *, detect_s: float) -> Judged:
    """Return a frame with what the model has found in it."""
    return Judged(frame, sight.faces, people, _present(people, sight.faint_px), detect_s)


def people_of(tracks: tuple[Track, ...], episodes: Episodes) -> tuple[Person, ...]:
    """Return everyone who is followed, with what is known of them."""
    people = []
    for track in tracks:
        episode = episodes.of_track(track.number)
        if episode is None:
            people.append(Person(track.number, track.box_px, track.face))
            continue
        is_alerted = episode.alerted_s is not None
        people.append(Person(track.number, track.box_px, track.face, episode.verdict, is_alerted))
    return tuple(people)


def _present(people: tuple[Person, ...], others_px: Floats) -> Present:
    boxes = [person.box_px for person in people]
    violators = [person.box_px for person in people if person.is_violator]
    return Present(np.concatenate([_rows(boxes), others_px]), _rows(violators))


def _rows(boxes: list[Box]) -> Floats:
    return np.array(boxes, np.float32).reshape(-1, 4)
