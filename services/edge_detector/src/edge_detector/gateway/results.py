"""What boards send, in every form that is in use, as one `Result`; pure.

Forms of the classification: `{"mask": 0.9, ...}` (Edge Impulse's SDK for Linux), a list of
`{"label": ..., "value": ...}` (its C++ and Arduino SDK) and a list of bounding boxes.
"""

import base64
import binascii
import hashlib
import json
import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any

from edge_detector.gateway import pictures
from edge_detector.gateway.pictures import Picture

LABELS_MAX = 64
NAME_SIGNS_MAX = 100
# Softmax outputs of 8-bit models add up to a little more than 1.
_VALUE_MAX = 1.01
_KEYS = ("results", "classification", "bounding_boxes", "data")
# Milliseconds since 1970 are larger than this from 1973 on, seconds only from the year 5138 on.
_SECONDS_MAX = 1e11


class Reason(StrEnum):
    """Why a result was refused; the label of the metric."""

    MALFORMED = "malformed"
    UNKNOWN_LABEL = "unknown_label"
    VALUE_OUT_OF_RANGE = "value_out_of_range"
    BAD_PICTURE = "bad_picture"
    UNKNOWN_BOARD = "unknown_board"
    TOO_LARGE = "too_large"
    FLOOD = "flood"


class InvalidResult(ValueError):  # noqa: N818 - named for what is wrong, as all our errors are
    """A result that is refused for good; the message is for whoever programs the board."""

    def __init__(self, reason: Reason, told: str) -> None:
        super().__init__(told)
        self.reason = reason


@dataclass(frozen=True, slots=True)
class Result:
    """One classification of one board.

    Attributes:
        board: The id that the board gives itself.
        values: Probability by label as the board names it; empty when an object detector saw
            nothing.
        key: The same for every delivery of this result; None when the board tells neither an id
            nor a time.
        told_at: The board's own time, aware; whether it can be believed is decided later.
        picture: None when the board sent none.
    """

    board: str
    values: Mapping[str, float]
    key: str | None = None
    told_at: datetime | None = None
    picture: Picture | None = field(default=None, repr=False)


@dataclass(frozen=True, slots=True)
class Limits:
    """What one message may hold; bytes."""

    picture_bytes_max: int = 150_000

    @property
    def message_bytes_max(self) -> int:
        """Base64 takes four signs for three bytes; the rest of a message is small."""
        return self.picture_bytes_max * 4 // 3 + 16_384


def parse(payload: bytes, *, board: str | None, limits: Limits) -> Result:
    """Return the result that a JSON message holds.

    Args:
        payload: An object with `results`, `classification`, `bounding_boxes` or `data`, or the
            bare list of labels and values; `device`, `id`, `timestamp` and `picture` besides.
        board: Who sends it, where the way it came by tells; None: the message says so.
        limits: Of the sizes.

    Raises:
        InvalidResult: The message is no result; says what to change.
    """
    if len(payload) > limits.message_bytes_max:
        told = f"the message has {len(payload)} bytes, at most {limits.message_bytes_max} fit"
        raise InvalidResult(Reason.TOO_LARGE, told)
    message = _decoded(payload)
    if not isinstance(message, dict):
        message = {"data": message}
    told_at = _moment(message.get("timestamp"))
    return Result(
        board=_board(message.get("device"), board),
        values=_values(_classification(message)),
        key=_key(message.get("id"), told_at, payload),
        told_at=told_at,
        picture=_picture(message.get("picture"), limits),
    )


def board_name(value: object) -> str:
    """Return the id of a board.

    Raises:
        InvalidResult: It is no name.
    """
    is_name = isinstance(value, str) and value.isprintable() and not set(value) & set("/+#<>")
    if not is_name or not 1 <= len(str(value)) <= NAME_SIGNS_MAX:
        told = f"device is no name of 1 to {NAME_SIGNS_MAX} printable signs without / + # < >"
        raise InvalidResult(Reason.MALFORMED, told)
    return str(value)


def _decoded(payload: bytes) -> Any:
    try:
        return json.loads(payload, parse_constant=_no_number)
    except InvalidResult:
        raise
    except (ValueError, RecursionError) as error:
        raise InvalidResult(Reason.MALFORMED, f"the message is no JSON: {error}") from error


def _no_number(name: str) -> float:
    raise InvalidResult(Reason.VALUE_OUT_OF_RANGE, f"{name} is no probability")


def _board(told: object, known: str | None) -> str:
    if known is None:
        return board_name(told)
    if told is not None and told != known:
        raise InvalidResult(Reason.MALFORMED, "device differs from the one in topic or header")
    return board_name(known)


def _classification(message: dict[str, Any]) -> object:
    # The live view and some boards wrap it once more: {"result": {"classification": ...}}.
    inner = message.get("result", message)
    if isinstance(inner, dict):
        found = [inner[key] for key in _KEYS if inner.get(key) is not None]
        if found:
            return found[0]
    told = f"none of {', '.join(_KEYS)} is in the message"
    raise InvalidResult(Reason.MALFORMED, told)


def _values(classification: object) -> dict[str, float]:
    if isinstance(classification, dict):
        pairs = list(classification.items())
        if not pairs:
            raise InvalidResult(Reason.MALFORMED, "the classification is empty")
    elif isinstance(classification, list):
        pairs = [_pair(entry) for entry in classification]
    else:
        raise InvalidResult(Reason.MALFORMED, "the classification is no list and no object")
    if len(pairs) > LABELS_MAX:
        raise InvalidResult(Reason.MALFORMED, f"more than {LABELS_MAX} labels")
    values: dict[str, float] = {}
    for label, told in pairs:
        value = _probability(label, told)
        # An object detector names a label once for every box; the surest one counts.
        values[label] = max(value, values.get(label, 0.0))
    return values


def _pair(entry: object) -> tuple[str, object]:
    if not isinstance(entry, dict) or not isinstance(entry.get("label"), str):
        raise InvalidResult(Reason.MALFORMED, 'an entry is not {"label": ..., "value": ...}')
    return entry["label"], entry.get("value")


def _probability(label: str, told: object) -> float:
    if not isinstance(label, str) or len(label) > NAME_SIGNS_MAX or not label.isprintable():
        raise InvalidResult(Reason.MALFORMED, "a label is no short printable text")
    # Arduino sketches write numbers as text.
    if not isinstance(told, int | float | str) or isinstance(told, bool):
        raise InvalidResult(Reason.MALFORMED, f"the value of {label!r} is no number")
    try:
        value = float(told)
    except (ValueError, OverflowError) as error:
        raise InvalidResult(Reason.MALFORMED, f"the value of {label!r} is no number") from error
    if not math.isfinite(value) or not 0 <= value <= _VALUE_MAX:
        told_range = f"the value of {label!r} is {value:g}, a probability is between 0 and 1"
        raise InvalidResult(Reason.VALUE_OUT_OF_RANGE, told_range)
    return min(value, 1.0)


def _moment(told: object) -> datetime | None:
    """Return the time that seconds, milliseconds or ISO 8601 tell."""
    if told is None or told == "":
        return None
    try:
        if isinstance(told, str):
            moment = datetime.fromisoformat(told)
            return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)
        seconds = float(told)  # type: ignore[arg-type] # TypeError is what is caught
        return datetime.fromtimestamp(seconds / 1000 if seconds > _SECONDS_MAX else seconds, UTC)
    except (TypeError, ValueError, OverflowError, OSError) as error:
        told_form = "timestamp is neither seconds or milliseconds since 1970 nor ISO 8601"
        raise InvalidResult(Reason.MALFORMED, told_form) from error


def _key(told: object, told_at: datetime | None, payload: bytes) -> str | None:
    if told is not None:
        if isinstance(told, bool) or not isinstance(told, int | str) or len(str(told)) > 100:
            raise InvalidResult(Reason.MALFORMED, "id is no number and no text of up to 100 signs")
        return f"id {told}"
    # Without a time two equal results may well be two results.
    return None if told_at is None else f"digest {hashlib.sha256(payload).hexdigest()}"


def _picture(told: object, limits: Limits) -> Picture | None:
    if told is None or told == "":
        return None
    if not isinstance(told, str):
        raise InvalidResult(Reason.BAD_PICTURE, "picture is no base64 text")
    # The live view sends a data URL.
    encoded = told.partition(",")[2] if told.startswith("data:") else told
    try:
        data = base64.b64decode(encoded, validate=True)
        return pictures.inspect(data, bytes_max=limits.picture_bytes_max)
    except (binascii.Error, ValueError) as error:
        raise InvalidResult(Reason.BAD_PICTURE, f"picture: {error}") from error
