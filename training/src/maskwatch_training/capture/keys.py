"""The keys of both front ends, and what each does at the desk."""

from __future__ import annotations

from collections.abc import Callable

from maskwatch_training.capture import boxes
from maskwatch_training.capture import session as table
from maskwatch_training.capture.boxes import Point
from maskwatch_training.capture.desk import Desk
from maskwatch_training.capture.session import Session

STEP = 0.02  # of the box's longer side: what one press of an arrow or of + and - moves

Deed = Callable[[Desk], None]

LEGEND = (
    ("M", "mask"),
    ("N", "no mask"),
    ("B", "bad mask"),
    ("E", "no face here"),
    ("S", "skip"),
    ("U", "undo"),
    ("F", "next face"),
    ("X", "remove box"),
    ("Space", "hold"),
    ("P", "next person"),
    ("Q", "quit"),
)


def labelled(name: str) -> Deed:
    """Return the deed that labels the meant face."""
    return lambda desk: desk.label(name)


def toggle_hold(desk: Desk) -> None:
    """Keep the picture of a live source on the table, or let it go on."""
    if desk.session.is_held and desk.source.is_live:
        desk.skip()
    else:
        desk.change(table.hold)


def nudged(by: Point) -> Deed:
    """Return the deed that moves the meant box by a share of its longer side."""

    def deed(desk: Desk) -> None:
        desk.change(lambda session: _moved(session, by))

    return deed


def grown(by: float) -> Deed:
    """Return the deed that moves each side of the meant box outwards by that share."""

    def deed(desk: Desk) -> None:
        desk.change(lambda session: _grown(session, by))

    return deed


def _moved(session: Session, by: Point) -> Session:
    if session.selected is None:
        return session
    box = session.faces[session.selected].box
    side = max(box[2] - box[0], box[3] - box[1])
    moved = boxes.drag(box, boxes.WHOLE, (by[0] * side, by[1] * side), session.size)
    return table.place(session, moved)


def _grown(session: Session, by: float) -> Session:
    if session.selected is None:
        return session
    box = session.faces[session.selected].box
    return table.place(session, boxes.grow(box, by, session.size))


DEEDS: dict[str, Deed] = {
    "m": labelled("mask"),
    "1": labelled("mask"),
    "n": labelled("no_mask"),
    "2": labelled("no_mask"),
    "b": labelled("bad_mask"),
    "3": labelled("bad_mask"),
    "e": Desk.save_without_face,
    "0": Desk.save_without_face,
    "s": Desk.skip,
    "u": Desk.undo,
    "backspace": Desk.undo,
    "f": lambda desk: desk.change(table.select_next),
    "tab": lambda desk: desk.change(table.select_next),
    "x": Desk.remove,
    "delete": Desk.remove,
    " ": toggle_hold,
    "p": Desk.next_person,
    "left": nudged((-STEP, 0)),
    "right": nudged((STEP, 0)),
    "up": nudged((0, -STEP)),
    "down": nudged((0, STEP)),
    "+": grown(STEP),
    "-": grown(-STEP),
}
