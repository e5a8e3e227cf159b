"""What passes between the page and the desk, as JSON."""

from __future__ import annotations

from pathlib import PurePosixPath
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

from maskwatch_training.capture.boxes import Point
from maskwatch_training.capture.desk import Desk
from maskwatch_training.capture.store import Entry

_RECENT = 12  # pictures shown

Coordinate = Annotated[float, Field(allow_inf_nan=False)]


class _Message(BaseModel):
    model_config = ConfigDict(extra="forbid")


class KeyPressed(_Message):
    """A key of `keys.DEEDS`, pressed while that picture was shown."""

    do: Literal["key"]
    frame: int
    key: str


class FaceSelected(_Message):
    do: Literal["select"]
    frame: int
    index: int


class BoxPlaced(_Message):
    """The box of a face at a new place, px of the picture."""

    do: Literal["place"]
    frame: int
    index: int
    box: tuple[Coordinate, Coordinate, Coordinate, Coordinate]


class BoxDrawn(_Message):
    """A new box, px of the picture."""

    do: Literal["draw"]
    frame: int
    box: tuple[Coordinate, Coordinate, Coordinate, Coordinate]


class Held(_Message):
    """The picture must stay: somebody touches it."""

    do: Literal["hold"]
    frame: int


Step = Annotated[KeyPressed | FaceSelected | BoxPlaced | BoxDrawn | Held, Field(discriminator="do")]


class PersonNamed(_Message):
    name: str


class SourceChosen(_Message):
    name: Literal["server", "browser"]


class FaceState(_Message):
    box: tuple[float, float, float, float]
    label: str | None
    score: float | None
    eyes: tuple[Point, ...]


class Saved(_Message):
    """A picture of the set; `id` is its file's stem, `labels` one a face."""

    id: str
    labels: list[str]
    group: str


class State(_Message):
    """All that the page shows; sizes and boxes in px of the picture."""

    frame: int
    size: tuple[int, int] | None
    faces: list[FaceState]
    selected: int | None
    is_held: bool
    is_live: bool
    has_ended: bool
    source: Literal["server", "browser"]
    source_name: str
    server_source: str | None
    person: str
    counts: dict[str, int]
    total: int
    recent: list[Saved]
    notice: str
    is_error: bool


def state(desk: Desk, *, server_source: str | None, is_browser: bool) -> State:
    """Describe the desk."""
    session, entries = desk.session, desk.store.entries
    return State(
        frame=desk.number,
        size=None if session.frame is None else session.frame.size,
        faces=[
            FaceState(box=face.box, label=face.label, score=face.score, eyes=face.eyes)
            for face in session.faces
        ],
        selected=session.selected,
        is_held=session.is_held,
        is_live=desk.source.is_live,
        has_ended=desk.has_ended,
        source="browser" if is_browser else "server",
        source_name=desk.source.name,
        server_source=server_source,
        person=desk.person.person,
        counts=desk.store.counts,
        total=len(entries),
        recent=[saved(entry) for entry in entries[: -_RECENT - 1 : -1]],
        notice=desk.notice.text,
        is_error=desk.notice.is_error,
    )


def saved(entry: Entry) -> Saved:
    """Describe a line of the set."""
    return Saved(
        id=PurePosixPath(entry["file"]).stem,
        labels=[box["label"] for box in entry["boxes"]],
        group=str(entry.get("group", "")),
    )
