"""Which boards there are, and what their labels mean: gateway.yml."""

from collections.abc import Mapping
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any, Literal, Self

from maskwatch_proto.alert import Label, Location
from pydantic import (
    AfterValidator,
    AnyHttpUrl,
    BaseModel,
    ConfigDict,
    Field,
    ValidationError,
    model_validator,
)

from edge_detector import yaml_lines
from edge_detector.gateway import results
from edge_detector.gateway.results import InvalidResult, Reason
from edge_detector.names import Name
from edge_detector.people import policy

_BOARDS_MAX = 10_000


class Meaning(StrEnum):
    """What a label of a board stands for."""

    MASK = "mask"
    NO_MASK = "no_mask"
    BAD_MASK = "bad_mask"
    NO_FACE = "no_face"


# What people call the classes of their projects; compared without case, spaces as underscores.
LABELS: Mapping[str, Meaning] = {
    "mask": Meaning.MASK,
    "with_mask": Meaning.MASK,
    "face_mask": Meaning.MASK,
    "no_mask": Meaning.NO_MASK,
    "nomask": Meaning.NO_MASK,
    "without_mask": Meaning.NO_MASK,
    "bad_mask": Meaning.BAD_MASK,
    "mask_weared_incorrect": Meaning.BAD_MASK,  # the label of a widely used public data set
    "no_face": Meaning.NO_FACE,
    "background": Meaning.NO_FACE,
}
_NO_VERDICT = frozenset({"anomaly"})  # Edge Impulse's second score, which is no class


def _board_id(text: str) -> str:
    try:
        return results.board_name(text)
    except InvalidResult as error:
        raise ValueError(str(error)) from error


BoardId = Annotated[str, AfterValidator(_board_id)]
_Labels = Annotated[dict[str, Meaning], Field(max_length=results.LABELS_MAX)]


class _Frozen(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


class BoardPlan(_Frozen):
    """One board and what is asked of it; the service's README has the keys in a table."""

    id: BoardId
    name: Name = ""
    guid: Annotated[Name, Field(min_length=1)] | None = None
    location: Location = Location()
    model: Name = "edge-impulse"
    labels: _Labels = Field(default_factory=dict)
    probability_min: float = Field(default=0.6, ge=0, le=1)
    votes_agreeing: int = Field(default=3, ge=1)
    votes_among: int = Field(default=5, ge=1, le=100)
    absence_s: float = Field(default=5.0, ge=0, le=3600)
    silence_s: float = Field(default=60.0, gt=0, le=86_400)
    alert_bad_mask: bool = False
    privacy: Literal["evidence", "stats"] = "evidence"

    @model_validator(mode="after")
    def _check(self) -> Self:
        if self.votes_agreeing > self.votes_among:
            raise ValueError("votes_agreeing is larger than votes_among: no alert would ever be")
        named = {_plain(label) for label in self.labels}
        if len(named) < len(self.labels):
            raise ValueError("labels: two of them differ only in case or spaces")
        return self

    @property
    def rules(self) -> policy.Rules:
        """When somebody in front of the board is an alert."""
        alerts_on = {Label.NO_MASK, Label.BAD_MASK} if self.alert_bad_mask else {Label.NO_MASK}
        return policy.Rules(
            agreeing=self.votes_agreeing,
            among=self.votes_among,
            side_px_min=0.0,
            alerts_on=frozenset(alerts_on),
        )

    @property
    def shown_name(self) -> str:
        """The camera's name in alerts and numbers."""
        return self.name or self.id


class LiveView(_Frozen):
    """A live view of `edge-impulse-run-impulse` and the board whose results it shows."""

    url: AnyHttpUrl
    board: BoardId


class Fleet(_Frozen):
    """All that gateway.yml says; `defaults` holds keys of boards, for unknown boards too."""

    boards: tuple[BoardPlan, ...] = Field(default=(), max_length=_BOARDS_MAX)
    live_views: tuple[LiveView, ...] = Field(default=(), max_length=64)
    defaults: Mapping[str, Any] = Field(default_factory=dict)

    def plan_of_unknown(self, board: str) -> BoardPlan:
        """Return what is asked of a board that the file does not name."""
        return BoardPlan.model_validate({**self.defaults, "id": board})


def read(path: Path | None) -> Fleet:
    """Return what the file says; without one, no board is known.

    Raises:
        Misconfigured: The file or a value in it is wrong; the message has file, line and reason.
    """
    if path is None:
        return Fleet()
    document = yaml_lines.read(path)
    data = document.data if document.data is not None else {}
    if not isinstance(data, dict):
        raise document.wrong((), "the file has to be a map of defaults, boards and live_views")
    defaults = data.get("defaults", {})
    _check_defaults(defaults, document)
    entries = data.get("boards", [])
    if not isinstance(entries, list):
        raise document.wrong(("boards",), "has to be a list")
    plans = tuple(
        _plan(entry, defaults, document, ("boards", index)) for index, entry in enumerate(entries)
    )
    _check_distinct(plans, document)
    try:
        return Fleet.model_validate({**data, "defaults": defaults, "boards": plans})
    except ValidationError as error:
        raise document.refused(error) from None


def meaning(label: str, plan: BoardPlan) -> Meaning | None:
    """Return what a label of the board stands for; None for what is no class.

    Raises:
        InvalidResult: Nobody said what it stands for.
    """
    plain = _plain(label)
    own = {_plain(name): stands_for for name, stands_for in plan.labels.items()}
    if plain in _NO_VERDICT and plain not in own:
        return None
    # A plan that names its labels means those alone.
    found = own.get(plain) if own else LABELS.get(plain)
    if found is None:
        known = ", ".join(sorted(own or LABELS))
        told = f"label {label!r} is not known (known: {known}): add it to labels in gateway.yml"
        raise InvalidResult(Reason.UNKNOWN_LABEL, told)
    return found


def _plan(
    entry: object,
    defaults: Mapping[str, Any],
    document: yaml_lines.Document,
    at: yaml_lines.Location,
) -> BoardPlan:
    if not isinstance(entry, dict):
        raise document.wrong(at, "a board is a map with at least id")
    try:
        return BoardPlan.model_validate({**defaults, **entry})
    except ValidationError as error:
        raise document.refused(error, below=at) from None


def _check_defaults(defaults: object, document: yaml_lines.Document) -> None:
    if not isinstance(defaults, dict):
        raise document.wrong(("defaults",), "has to be a map")
    for key in ("id", "name", "guid"):
        if key in defaults:
            raise document.wrong(("defaults", key), "belongs to one board")
    try:
        BoardPlan.model_validate({**defaults, "id": "any"})
    except ValidationError as error:
        raise document.refused(error, below=("defaults",)) from None


def _check_distinct(plans: tuple[BoardPlan, ...], document: yaml_lines.Document) -> None:
    for key in ("id", "guid"):
        seen: dict[str, int] = {}
        for index, plan in enumerate(plans):
            told = getattr(plan, key)
            if told is not None and told in seen:
                first = document.where(("boards", seen[told], key))
                reason = f"{told} is the {key} of the board at {first}"
                raise document.wrong(("boards", index, key), reason)
            seen[told] = index


def _plain(label: str) -> str:
    return "_".join(label.casefold().replace("-", " ").replace("_", " ").split())
