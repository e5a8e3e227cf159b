"""Which cameras there are, and what is asked of each: cameras.yml, or one from the environment."""

import itertools
import os
import re
from collections.abc import Mapping
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any, Literal, Self
from urllib.parse import urlsplit

from maskwatch_proto.alert import Location
from maskwatch_runtime.errors import Misconfigured
from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    SecretStr,
    ValidationError,
    model_validator,
)

from edge_detector import polygon, references, yaml_lines
from edge_detector.names import Name

_URL = re.compile(r"^[A-Za-z][A-Za-z0-9+.-]*://")
_SCHEMES = ("rtsp", "rtsps", "http", "https")
_PI_CAMERA = re.compile(r"^picamera(?::([0-9]))?$", re.ASCII)
_CAMERAS_MAX = 64


class SourceKind(StrEnum):
    """What frames are read from."""

    FILES = "files"
    USB = "usb"
    STREAM = "stream"
    PI = "pi"
    BROWSER = "browser"
    POSTED = "posted"


class Privacy(StrEnum):
    """What of a camera's pictures may leave memory."""

    EVIDENCE = "evidence"
    BLURRED = "blurred"
    STATS = "stats"


class _Frozen(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


Polygon = Annotated[
    tuple[tuple[float, float], ...],
    Field(max_length=64),
    AfterValidator(polygon.checked),
]


def _size(value: object) -> object:
    """Return (width, height) of "1280x720"; anything else is left to the type."""
    if isinstance(value, str) and (found := re.fullmatch(r"(\d{1,5})x(\d{1,5})", value)):
        return found.groups()
    return value


_Side = Annotated[int, Field(ge=16, le=8192)]
Resolution = Annotated[tuple[_Side, _Side], BeforeValidator(_size)]
_OrNever = Annotated[float | None, Field(gt=0, le=86_400)]


class Zones(_Frozen):
    """Where a mask is required: in an `include` (without one: everywhere) and in no `exclude`.

    Corners are shares of the frame's width and height, (0, 0) the top left: they stay right when a
    camera's resolution changes.
    """

    include: tuple[Polygon, ...] = Field(default=(), max_length=64)
    exclude: tuple[Polygon, ...] = Field(default=(), max_length=64)


class Watch(_Frozen):
    """When a camera cannot be believed, in seconds; None: that fault is not looked for.

    Attributes:
        stalled_s: No frame for so long: the reader is replaced.
        frozen_s: The same picture for so long.
        solid_s: A picture of one colour for so long: a cover, a dark room, or what decoders draw
            when they cannot decode.
        down_after_s: No good frame for so long is told: `camera_changed`, down.
        up_after_s: Good frames for so long are told: up.
    """

    stalled_s: _OrNever = 5.0
    frozen_s: _OrNever = 20.0
    solid_s: _OrNever = 20.0
    down_after_s: float = Field(default=10.0, gt=0, le=86_400)
    up_after_s: float = Field(default=3.0, ge=0, le=3600)


class CameraPlan(_Frozen):
    """One camera and what is asked of it; the service's README has the keys in a table."""

    name: Annotated[Name, Field(min_length=1)]
    source: SecretStr
    resolution: Resolution | None = None
    fps: float = Field(default=10.0, gt=0, le=60)
    location: Location = Location()

    loop: bool = False
    paced: bool = True
    pictures: Literal["scenes", "frames"] = "scenes"

    zones: Zones = Zones()
    votes_agreeing: int = Field(default=3, ge=1)
    votes_among: int = Field(default=5, ge=1, le=100)
    face_side_min_px: float = Field(default=24.0, ge=0)
    track_keep_s: float = Field(default=3.0, gt=0, le=60)
    absence_s: float = Field(default=60.0, gt=0, le=3600)
    alert_bad_mask: bool = False
    privacy: Privacy = Privacy.EVIDENCE
    blur_violators: bool = False
    watch: Watch = Watch()

    @model_validator(mode="before")
    @classmethod
    def _number(cls, values: Any) -> Any:
        """Take a USB camera's number as it is written in YAML."""
        if isinstance(values, dict) and type(values.get("source")) is int:
            return {**values, "source": str(values["source"])}
        return values

    @model_validator(mode="after")
    def _check(self) -> Self:
        if self.votes_agreeing > self.votes_among:
            raise ValueError("votes_agreeing is larger than votes_among: no alert would ever be")
        if self.absence_s < self.track_keep_s:
            raise ValueError("absence_s is shorter than track_keep_s")
        address = self.source.get_secret_value()
        if not address:
            raise ValueError("source: is empty")
        if _URL.match(address):
            _check_url(address)
        return self

    @property
    def kind(self) -> SourceKind:
        """What the source's text stands for."""
        address = self.source.get_secret_value()
        if address in (SourceKind.BROWSER, SourceKind.POSTED):
            return SourceKind(address)
        if _PI_CAMERA.match(address):
            return SourceKind.PI
        if _URL.match(address):
            return SourceKind.STREAM
        return SourceKind.USB if self.index is not None else SourceKind.FILES

    @property
    def is_live(self) -> bool:
        """Whether it goes on by itself, so that the newest frame wins; files wait."""
        return self.kind is not SourceKind.FILES

    @property
    def index(self) -> int | None:
        """The number of a USB or Pi camera; None for every other source."""
        address = self.source.get_secret_value()
        if found := _PI_CAMERA.match(address):
            return int(found[1] or 0)
        return int(address) if address.isascii() and address.isdigit() else None

    @property
    def shown_source(self) -> str:
        """The source as logs may tell it: of an address only scheme, host and port."""
        address = self.source.get_secret_value()
        if self.kind is not SourceKind.STREAM:
            return address
        # Some cameras take user and password in the path or the query.
        parts = urlsplit(address)
        port = f":{parts.port}" if parts.port else ""
        return f"{parts.scheme}://{parts.hostname}{port}/…"


def _check_url(address: str) -> None:
    try:
        parts = urlsplit(address)
        host, _ = parts.hostname, parts.port
    except ValueError:
        # What urlsplit says would repeat the address, and with it a password.
        raise ValueError("source: the address is senseless after ://") from None
    if parts.scheme not in _SCHEMES:
        raise ValueError(f"source: an address begins with {', '.join(_SCHEMES)}")
    if not host:
        raise ValueError("source: the address names no host")
    if any(sign.isspace() or not sign.isprintable() for sign in address):
        raise ValueError("source: the address holds a space or a control character")


def read(
    path: Path,
    *,
    defaults: Mapping[str, object] | None = None,
    environ: Mapping[str, str] | None = None,
) -> tuple[CameraPlan, ...]:
    """Return the cameras that a file names, in its order.

    Args:
        path: YAML with the one key `cameras`, a list.
        defaults: Values of keys that a camera does not give.
        environ: Where `${VARIABLE}` is looked up; by default the process's environment.

    Raises:
        Misconfigured: The file or a value in it is wrong; the message has file, line and reason.
    """
    document = yaml_lines.read(path)
    plans: list[CameraPlan] = []
    for index, entry in enumerate(_entries(document)):
        at = ("cameras", index)
        if not isinstance(entry, dict):
            raise document.wrong(at, "a camera is a map with at least name and source")
        values = {**(defaults or {}), **entry}
        if isinstance(values.get("source"), str):
            try:
                values["source"] = references.expanded(
                    values["source"], os.environ if environ is None else environ
                )
            except ValueError as error:
                raise document.wrong((*at, "source"), str(error)) from None
        try:
            plan = CameraPlan.model_validate(values)
        except ValidationError as error:
            raise document.refused(error, below=at) from None
        _check_alone(plan, plans, document, at)
        plans.append(_beside(path, plan))
    return tuple(plans)


def _entries(document: yaml_lines.Document) -> list[Any]:
    data = document.data
    if not isinstance(data, dict) or "cameras" not in data:
        raise document.wrong((), "the file has to begin with the key cameras")
    for key in data:
        if key != "cameras":
            raise document.wrong((key,), "there is no such key")
    entries = data["cameras"]
    if not isinstance(entries, list) or not 1 <= len(entries) <= _CAMERAS_MAX:
        raise document.wrong(("cameras",), f"has to be a list of 1 to {_CAMERAS_MAX} cameras")
    return entries


def _check_alone(
    plan: CameraPlan,
    others: list[CameraPlan],
    document: yaml_lines.Document,
    at: yaml_lines.Location,
) -> None:
    for number, other in enumerate(others):
        if other.name == plan.name:
            first = document.where(("cameras", number, "name"))
            raise document.wrong((*at, "name"), f"{plan.name} is the name of the camera at {first}")
        is_device = plan.kind in (SourceKind.USB, SourceKind.PI)
        if is_device and (plan.kind, plan.index) == (other.kind, other.index):
            raise document.wrong((*at, "source"), f"{other.name} reads this camera already")


def _beside(path: Path, plan: CameraPlan) -> CameraPlan:
    """Return the plan with its files looked for beside the file that names them."""
    if plan.kind is not SourceKind.FILES:
        return plan
    resolved = path.parent / plan.source.get_secret_value()
    return plan.model_copy(update={"source": SecretStr(str(resolved))})


def one(values: Mapping[str, object]) -> CameraPlan:
    """Return the one camera that the environment describes.

    Raises:
        Misconfigured: A value is wrong.
    """
    try:
        return CameraPlan.model_validate(dict(values))
    except ValidationError as error:
        reasons = itertools.chain(
            str(problem["msg"]).removeprefix("Value error, ")
            for problem in error.errors(include_input=False, include_url=False)
        )
        raise Misconfigured(f"MASKWATCH_SOURCE: {'; '.join(reasons)}") from None
