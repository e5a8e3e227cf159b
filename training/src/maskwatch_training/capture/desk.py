"""The desk at which a person labels: the session, with what it does to disk and source."""

from __future__ import annotations

from collections import Counter, OrderedDict, deque
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Protocol

from maskwatch_training.arrays import Image
from maskwatch_training.capture import session as table
from maskwatch_training.capture.boxes import Box, Point
from maskwatch_training.capture.groups import InvalidPerson, OnePerson
from maskwatch_training.capture.session import Face, Frame, Refused, Session
from maskwatch_training.capture.sources import Source
from maskwatch_training.capture.store import AlreadySaved, Store

_UNDOABLE = 20  # pictures kept in memory for undo
_RECALLABLE = 8  # live frames kept for whoever answers late


class FaceFinder(Protocol):
    """Finds faces and eyes; `faces.Finder` is one."""

    def find(self, picture: Image) -> tuple[Face, ...]: ...
    def eyes(self, picture: Image, box: Box) -> tuple[Point, ...]: ...


class StaleFrame(ValueError):  # noqa: N818 - named for what is wrong, as all our errors are
    """The picture that was meant is not on the table any more."""


@dataclass(frozen=True)
class Notice:
    """What the person is told; `is_error`: something did not happen."""

    text: str
    is_error: bool = False


class Desk:
    """Puts pictures on the table, saves those that are complete, goes on to the next.

    No method raises on what a person does wrong or a disk refuses: `notice` says it, and the
    picture stays on the table with its labels. `tally` counts what was done.

    Args:
        store: Where complete pictures go.
        finder: Finds faces and eyes.
        source: Where pictures come from.
        person: The group of the pictures.
        set_name: Goes before the group's name.
    """

    def __init__(
        self, store: Store, finder: FaceFinder, *, source: Source, person: OnePerson, set_name: str
    ) -> None:
        self.store, self.source, self.person = store, source, person
        self.session = Session()
        self.number = 0  # of the picture on the table, for `recall`
        self.notice = Notice("")
        self.tally: Counter[str] = Counter()
        self.has_ended = False
        self._finder = finder
        self._set_name = set_name
        self._saved: deque[tuple[str, Session]] = deque(maxlen=_UNDOABLE)
        self._waiting: list[Session] = []
        self._recent: OrderedDict[int, Session] = OrderedDict()

    def tick(self) -> None:
        """Put the next picture on the table if it is free for one.

        Raises:
            SourceUnusable: A camera is gone.
        """
        if self.source.is_live and not self.session.is_held:
            frame = self.source.take()
            if frame is not None:
                self._put(table.show(self.session, frame, self._finder.find(frame.picture)))
        elif self.session.frame is None and not self.has_ended:
            self._advance()

    def change_source(self, source: Source) -> None:
        """Take pictures from elsewhere; one on the table that would not come again waits."""
        if not self.source.is_live and self.session.frame is not None:
            self._waiting.append(self.session)
        self.source, self.has_ended = source, False
        self._recent.clear()
        self._put(Session())
        self.notice = Notice(f"Now from {source.name}")

    def recall(self, number: int) -> None:
        """Put the picture of that number back: a live source may have gone on since.

        Raises:
            StaleFrame: It is gone, or another one is being labelled.
        """
        if number == self.number:
            return
        if self.session.is_held or number not in self._recent:
            raise StaleFrame("the picture has changed since; look again")
        self.session, self.number = self._recent[number], number

    def frame(self, number: int) -> Frame:
        """Return the picture of that number.

        Raises:
            StaleFrame: It is gone.
        """
        session = self.session if number == self.number else self._recent.get(number)
        if session is None or session.frame is None:
            raise StaleFrame("that picture is gone")
        return session.frame

    def change(self, step: Callable[[Session], Session]) -> None:
        """Do one step of a person; save the picture when that completes it."""
        try:
            changed = step(self.session)
        except Refused as error:
            self.notice = Notice(str(error), is_error=True)
            return
        self.notice = Notice("")
        self.session = changed

    def label(self, name: str) -> None:
        """Label the meant face; the last label of a picture saves it."""
        self.change(lambda session: table.label(session, name))
        if self.session.is_complete and not self.notice.is_error:
            self._save()

    def draw(self, box: Box) -> None:
        """Add a box that a person drew, with the eyes found in it."""
        frame = self.session.frame
        eyes = () if frame is None else self._finder.eyes(frame.picture, box)
        self.change(lambda session: table.draw(session, Face(box, eyes=eyes)))

    def remove(self) -> None:
        """Take the meant box away; if every other face has its label, the picture is complete."""
        self.change(table.remove)
        if self.session.is_complete and not self.notice.is_error:
            self._save()

    def save_without_face(self) -> None:
        """Save the picture as one that shows no face."""
        if self.session.frame is None:
            self.notice = Notice("no picture to label", is_error=True)
            return
        self.session = replace(table.hold(self.session), faces=(), selected=None)
        self._save()

    def skip(self) -> None:
        """Go on without saving."""
        if self.session.frame is None:
            return
        self.tally["skipped"] += not self.source.is_live or self.session.is_held
        self.notice = Notice("Skipped")
        self._next()

    def undo(self) -> None:
        """Take back the labels on the table, or else the last picture saved, to label it anew."""
        if any(face.label for face in self.session.faces):
            self.change(table.unlabelled)
        elif not self._saved:
            self.notice = Notice("nothing to undo in this session", is_error=True)
        else:
            file, saved = self._saved[-1]
            if self._erase(file):
                if not self.source.is_live and self.session.frame is not None:
                    self._waiting.append(self.session)
                self._put(table.unlabelled(saved))
                self.notice = Notice("Taken back: label it anew or skip it")

    def delete(self, file: str) -> None:
        """Erase a saved picture of this or an earlier session."""
        if self._erase(file):
            self.notice = Notice("Deleted")

    def name_person(self, person: str) -> None:
        """Put the pictures from now on into the group of that person."""
        try:
            self.person = self.person.named(person)
        except InvalidPerson as error:
            self.notice = Notice(str(error), is_error=True)
            return
        self.notice = Notice(f"Group: {self.person.person}")

    def next_person(self) -> None:
        """Begin the group of the next person."""
        self.person = self.person.following()
        self.notice = Notice(f"Group: {self.person.person}")

    def _erase(self, file: str) -> bool:
        try:
            self.store.remove(file)
        except KeyError:
            self.notice = Notice(f"{file} is not in the set", is_error=True)
            return False
        except OSError as error:
            self.notice = Notice(f"not deleted: {error}", is_error=True)
            return False
        self._saved = deque(((f, s) for f, s in self._saved if f != file), maxlen=_UNDOABLE)
        self.tally["removed"] += 1
        return True

    def _save(self) -> None:
        frame, faces = self.session.frame, self.session.faces
        if frame is None:
            return
        group = self.person.group(self._set_name, frame)
        try:
            entry = self.store.save(frame, faces, group=group)
        except AlreadySaved as error:
            self.tally["already_saved"] += 1
            self.notice = Notice(str(error), is_error=True)
        except OSError as error:
            # Stays on the table, labels and all: the same key tries again.
            self.notice = Notice(f"not saved: {error}", is_error=True)
            return
        else:
            self._saved.append((entry["file"], self.session))
            self.tally["saved"] += 1
            self.notice = Notice(f"Saved: {said(faces)}")
        self._next()

    def _next(self) -> None:
        if self.source.is_live:
            self._put(table.release(table.unlabelled(self.session)))
        else:
            self._advance()

    def _advance(self) -> None:
        """Put the next picture that is not saved yet on the table."""
        if self._waiting:
            self._put(self._waiting.pop())
            return
        frame = self.source.take()
        while frame is not None and self.store.holds(frame):
            self.tally["already_saved"] += 1
            frame = self.source.take()
        if frame is None:
            self.has_ended = True
            self._put(Session())
            return
        self._put(table.hold(table.show(Session(), frame, self._finder.find(frame.picture))))

    def _put(self, session: Session) -> None:
        self.number += 1
        self.session = session
        self._recent[self.number] = session
        while len(self._recent) > _RECALLABLE:
            self._recent.popitem(last=False)


def said(faces: tuple[Face, ...]) -> str:
    """Return the labels of a picture in words."""
    return ", ".join(str(face.label) for face in faces) or "no face"
