"""What the page and the server say to each other over the web socket.

To the browser: text, a JSON object with `type` (board, pong); binary, a judged frame: the length of
its JSON as 4 bytes little-endian, the JSON, and the JPEG (absent where privacy keeps it back).
From the browser: JSON objects `{"type": "ping", "at_ms": …}` and `{"type": "drawn", "camera": …}`.
"""

import json
import struct
from datetime import datetime
from typing import Annotated, Literal

from pydantic import BaseModel, Field, TypeAdapter, ValidationError

from edge_detector.web.board import Board, Episode, Frame


class Ping(BaseModel):
    """Asks for the server's clock; says that somebody is still there."""

    type: Literal["ping"]
    at_ms: float = Field(allow_inf_nan=False)


class Drawn(BaseModel):
    """A frame of this camera is on the screen: the next may come."""

    type: Literal["drawn"]
    camera: str = Field(max_length=200)


_Said = TypeAdapter[Ping | Drawn](Annotated[Ping | Drawn, Field(discriminator="type")])


def heard(text: str) -> Ping | Drawn | None:
    """Return what the browser said; None when it is no word of ours."""
    try:
        return _Said.validate_json(text)
    except ValidationError:
        return None


def pong(ping: Ping, *, now_s: float) -> str:
    """Return the answer, with which the browser knows our clock to half a round trip."""
    return json.dumps({"type": "pong", "at_ms": ping.at_ms, "clock_ms": 1000 * now_s})


def board(shown: Board, *, has_controls: bool, has_login: bool) -> str:
    """Return the cameras' states and the last episodes."""
    return json.dumps(
        {
            "type": "board",
            "has_controls": has_controls,
            "has_login": has_login,
            "cameras": [
                {
                    "name": name,
                    "state": state,
                    "reason": reason,
                    "is_browser": name in shown.from_browsers,
                }
                for name, state, reason in shown.cameras()
            ],
            "episodes": [_episode(*entry) for entry in shown.episodes()],
        }
    )


def frame(camera: str, its: Frame, *, jpeg: bytes) -> bytes:
    """Return a judged frame with its boxes, so that no box ever meets another frame."""
    shown = its.shown
    header = {
        "camera": camera,
        "sequence": its.sequence,
        "taken_ms": 1000 * its.taken_s,
        "size_wh": shown.size_wh,
        "fps": round(its.fps, 2),
        "inference_ms": round(shown.inference_ms, 2),
        "faces": [
            {
                "xyxy": [round(side, 1) for side in face.xyxy_px],
                "label": face.label,
                "probability": round(face.probability, 4),
                "track": face.track,
            }
            for face in shown.faces
        ],
    }
    encoded = json.dumps(header, separators=(",", ":")).encode()
    return struct.pack("<I", len(encoded)) + encoded + jpeg


def _episode(episode: Episode, has_thumbnail: bool) -> dict[str, object]:  # noqa: FBT001 - as the board pairs them
    return {
        "id": episode.id,
        "camera": episode.camera,
        "label": episode.label,
        "begun_at": episode.begun_at.isoformat(),
        "ended_at": _text(episode.ended_at),
        "is_mask_put_on": episode.is_mask_put_on,
        "has_thumbnail": has_thumbnail,
    }


def _text(moment: datetime | None) -> str | None:
    return None if moment is None else moment.isoformat()
