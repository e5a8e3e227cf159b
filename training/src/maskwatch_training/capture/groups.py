"""Which pictures belong together: those of a group never stand on both sides of a split."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from datetime import datetime

from maskwatch_training.capture.session import Frame

_NUMBERED = re.compile(r"(?P<stem>.+)-(?P<number>\d+)")
_NAME = re.compile(r"[\w .()@+-]{1,64}")


class InvalidPerson(ValueError):  # noqa: N818 - named for what is wrong, as all our errors are
    """A person's name cannot stand in a group's name."""


@dataclass(frozen=True)
class OnePerson:
    """Every picture goes to the group of the person in front of the camera."""

    person: str

    def group(self, set_name: str, _frame: Frame) -> str:
        """Return the group of a picture."""
        return f"{set_name}/{self.person}"

    def following(self) -> OnePerson:
        """Return the next person: anna → anna-2 → anna-3."""
        numbered = _NUMBERED.fullmatch(self.person)
        if not numbered:
            return OnePerson(f"{self.person}-2")
        return OnePerson(f"{numbered['stem']}-{int(numbered['number']) + 1}")

    def named(self, person: str) -> OnePerson:
        """Return the person of that name.

        Raises:
            InvalidPerson: It is empty, too long, or holds a slash or the like.
        """
        if not _NAME.fullmatch(person.strip()):
            raise InvalidPerson("person: 1 to 64 letters, digits, spaces and - . ( ) @ + _")
        return replace(self, person=person.strip())


@dataclass(frozen=True)
class EachItsOwn(OnePerson):
    """Every picture is a group: for photos of strangers, never for the frames of one film."""

    def group(self, set_name: str, frame: Frame) -> str:
        """Return the group of a picture."""
        return f"{set_name}/{frame.digest[:16]}"


def of_session(started: datetime) -> OnePerson:
    """Return the group that all pictures of a session share, named after its begin."""
    return OnePerson(f"{started:%Y%m%d-%H%M%S}-1")
