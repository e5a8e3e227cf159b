"""What is on the table: one picture, its faces, which one is meant; pure, every step a new value.

A picture is complete, and is saved by whoever holds the session, as soon as every box on it has a
label. A box that shows no face has to be removed: an unlabelled face would teach a detector that
there is none.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field, replace
from functools import cached_property

from maskwatch_training.arrays import Image
from maskwatch_training.capture import boxes
from maskwatch_training.capture.boxes import Box, Point, Size
from maskwatch_training.labels import LABELS

_SAME_FACE_IOU = 0.3  # from one frame of a film to the next


class Refused(ValueError):  # noqa: N818 - named for what is wrong, as all our errors are
    """The picture on the table does not allow this step; the message says why."""


@dataclass(frozen=True, eq=False)
class Frame:
    """A picture to be labelled.

    Attributes:
        picture: (H, W, 3) RGB, upright.
        source: Where it comes from: a file's name, a camera's.
        number: Its place in the source, counted from 0.
    """

    picture: Image
    source: str
    number: int = 0

    @cached_property
    def digest(self) -> str:
        """SHA-256 of size and pixels, in hex: the same picture has the same, wherever it lies."""
        shape = "x".join(str(side) for side in self.picture.shape)
        return hashlib.sha256(shape.encode() + self.picture.tobytes()).hexdigest()

    @property
    def size(self) -> Size:
        """Width and height, px."""
        height, width = self.picture.shape[:2]
        return width, height


@dataclass(frozen=True)
class Face:
    """A box with what is known of it; `eyes` are the centres found, none to two."""

    box: Box
    label: str | None = None
    score: float | None = None
    eyes: tuple[Point, ...] = ()


@dataclass(frozen=True)
class Session:
    """The table. `is_held`: a live source must not put its next frame there."""

    frame: Frame | None = None
    faces: tuple[Face, ...] = field(default=())
    selected: int | None = None
    is_held: bool = False

    @property
    def is_complete(self) -> bool:
        """Every face has its label; a picture without a box is not complete by itself."""
        return bool(self.faces) and all(face.label for face in self.faces)

    @property
    def size(self) -> Size:
        """Width and height of the picture, px.

        Raises:
            Refused: There is no picture.
        """
        if self.frame is None:
            raise Refused("no picture to label")
        return self.frame.size


def show(session: Session, frame: Frame, faces: tuple[Face, ...]) -> Session:
    """Return the table with a new picture; the largest face is meant, or the one meant before."""
    return Session(frame, faces, _meant(session, faces))


def _meant(before: Session, faces: tuple[Face, ...]) -> int | None:
    if not faces:
        return None
    if before.selected is not None and before.frame is not None:
        old = before.faces[before.selected].box
        ious = [boxes.overlap(old, face.box) for face in faces]
        if max(ious) >= _SAME_FACE_IOU:
            return ious.index(max(ious))
    areas = [boxes.area(face.box) for face in faces]
    return areas.index(max(areas))


def hold(session: Session) -> Session:
    """Return the table that keeps its picture."""
    return replace(session, is_held=session.frame is not None)


def release(session: Session) -> Session:
    """Return the table that a live source may change again."""
    return replace(session, is_held=False)


def select(session: Session, index: int) -> Session:
    """Return the table with that face meant.

    Raises:
        Refused: There is no such face.
    """
    _face(session, index)
    return replace(session, selected=index)


def select_next(session: Session) -> Session:
    """Return the table with the next face meant, the first after the last."""
    if not session.faces:
        return session
    index = -1 if session.selected is None else session.selected
    return replace(session, selected=(index + 1) % len(session.faces))


def select_at(session: Session, at: Point) -> Session:
    """Return the table with the smallest box around a point meant, if there is one."""
    around = [
        (boxes.area(face.box), index)
        for index, face in enumerate(session.faces)
        if boxes.grip(face.box, at, reach_px=0.0)
    ]
    return replace(session, selected=min(around)[1]) if around else session


def label(session: Session, name: str) -> Session:
    """Return the table with the meant face labelled and the next one without a label meant.

    Raises:
        Refused: The label is unknown, or no face is meant.
    """
    if name not in LABELS:
        raise Refused(f"label {name!r} is none of {', '.join(LABELS)}")
    index = _selected(session)
    faces = _with(session.faces, index, replace(session.faces[index], label=name))
    order = [*range(index + 1, len(faces)), *range(index)]
    waiting = [other for other in order if faces[other].label is None]
    return replace(session, faces=faces, selected=waiting[0] if waiting else index, is_held=True)


def place(session: Session, box: Box) -> Session:
    """Return the table with the meant face at a new place; eyes outside it are forgotten.

    Raises:
        Refused: No face is meant, or the box is too small.
    """
    index = _selected(session)
    placed = boxes.inside(box, session.size)
    _check(placed)
    face = session.faces[index]
    eyes = tuple(eye for eye in face.eyes if boxes.grip(placed, eye, reach_px=0.0))
    moved = replace(face, box=placed, eyes=eyes)
    return replace(session, faces=_with(session.faces, index, moved), is_held=True)


def draw(session: Session, face: Face) -> Session:
    """Return the table with one more face, which is meant.

    Raises:
        Refused: There is no picture, or the box is too small.
    """
    box = boxes.inside(face.box, session.size)
    _check(box)
    faces = (*session.faces, replace(face, box=box))
    return replace(session, faces=faces, selected=len(faces) - 1, is_held=True)


def remove(session: Session) -> Session:
    """Return the table without the meant box.

    Raises:
        Refused: No face is meant.
    """
    index = _selected(session)
    faces = session.faces[:index] + session.faces[index + 1 :]
    selected = min(index, len(faces) - 1) if faces else None
    return replace(session, faces=faces, selected=selected, is_held=True)


def unlabelled(session: Session) -> Session:
    """Return the table as it was before its faces were labelled, to be labelled anew."""
    faces = tuple(replace(face, label=None) for face in session.faces)
    return replace(session, faces=faces, selected=0 if faces else None, is_held=True)


def _selected(session: Session) -> int:
    if session.selected is None:
        raise Refused("no face is selected: draw a box around it")
    return session.selected


def _face(session: Session, index: int) -> Face:
    if not 0 <= index < len(session.faces):
        raise Refused(f"face {index + 1} is not there: the picture has {len(session.faces)}")
    return session.faces[index]


def _check(box: Box) -> None:
    if not boxes.is_usable(box):
        raise Refused(f"the box is too small: each side at least {boxes.LEAST_SIDE_PX:.0f} px")


def _with(faces: tuple[Face, ...], index: int, face: Face) -> tuple[Face, ...]:
    return (*faces[:index], face, *faces[index + 1 :])
