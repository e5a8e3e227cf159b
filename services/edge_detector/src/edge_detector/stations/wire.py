"""What a reader's process and its station say to each other, on a pair of sockets.

Frames are sent, not shared: measured on 1280 x 720, both cost 0.5 ms of CPU a frame, and a socket
has no state that a killed process could leave half-written.
"""

import json
import socket
import struct
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from typing import Literal

import numpy as np

from edge_detector.sources.base import Frame

# Kind; height, width in px, or bytes of text and 0; POSIX time, monotonic time in seconds.
_HEADER = struct.Struct("!cIIdd")
_FRAME, _AWAY, _BUG = b"F", b"A", b"B"
# 7680 x 4320, the largest a camera has: 100 MB. What a sender claims may not take all memory.
PIXELS_MAX = 7680 * 4320
_TEXT_BYTES_MAX = 10_000


@dataclass(frozen=True, slots=True)
class Address:
    """What a reader's process is to read; crosses by the socket, since others see arguments.

    Attributes:
        kind: Which source.
        address: The stream's; empty for the others.
        index: The number of a USB or Pi camera.
        fps: Frames kept a second.
        resolution_wh: Asked of USB and Pi cameras, in px.
        open_s: How long a server may be silent when it is asked ...
        read_s: ... and between two packets.
    """

    kind: Literal["usb", "stream", "pi"]
    fps: float
    address: str = ""
    index: int = 0
    resolution_wh: tuple[int, int] | None = None
    open_s: float = 10.0
    read_s: float = 10.0

    def __repr__(self) -> str:
        return f"Address({self.kind})"


@dataclass(frozen=True, slots=True)
class Away:
    """The camera is away."""

    reason: str


@dataclass(frozen=True, slots=True)
class Bug:
    """The reader's own program failed; `where` has no values in it."""

    where: str


class Closed(Exception):  # noqa: N818 - named for what is wrong
    """The other end has ended."""


def send_address(connection: socket.socket, address: Address) -> None:
    text = json.dumps(asdict(address)).encode()
    connection.sendall(struct.pack("!I", len(text)) + text)


def receive_address(connection: socket.socket) -> Address:
    (size,) = struct.unpack("!I", _received(connection, 4))
    values = json.loads(_received(connection, size))
    size_wh = values.pop("resolution_wh")
    return Address(**values, resolution_wh=None if size_wh is None else (size_wh[0], size_wh[1]))


def send_frame(connection: socket.socket, frame: Frame) -> None:
    height, width = frame.image_bgr.shape[:2]
    header = _HEADER.pack(_FRAME, height, width, frame.taken_at.timestamp(), frame.at_s)
    connection.sendall(header)
    connection.sendall(np.ascontiguousarray(frame.image_bgr).data.cast("B"))


def send_away(connection: socket.socket, reason: str) -> None:
    _send_text(connection, _AWAY, reason)


def send_bug(connection: socket.socket, where: str) -> None:
    _send_text(connection, _BUG, where)


def _send_text(connection: socket.socket, kind: bytes, text: str) -> None:
    data = text.encode()[:_TEXT_BYTES_MAX]
    connection.sendall(_HEADER.pack(kind, len(data), 0, 0.0, 0.0) + data)


def receive(connection: socket.socket) -> Frame | Away | Bug:
    """Return the next thing that a reader says; waits as long as the socket's time-out.

    Raises:
        Closed: The reader has ended.
        TimeoutError: It stopped in the middle.
    """
    kind, first, second, taken_s, at_s = _HEADER.unpack(_received(connection, _HEADER.size))
    if kind != _FRAME:
        text = bytes(_received(connection, min(first, _TEXT_BYTES_MAX))).decode(errors="replace")
        return Away(text) if kind == _AWAY else Bug(text)
    if not 0 < first * second <= PIXELS_MAX:
        return Away(f"frames of {second} x {first} px are larger than any camera's")
    picture = np.empty((first, second, 3), np.uint8)
    _fill(connection, picture.data.cast("B"))
    return Frame(picture, datetime.fromtimestamp(taken_s, UTC), at_s)


def _received(connection: socket.socket, size: int) -> bytearray:
    data = bytearray(size)
    _fill(connection, memoryview(data))
    return data


def _fill(connection: socket.socket, view: memoryview) -> None:
    while view:
        try:
            count = connection.recv_into(view)
        except ConnectionError as error:
            raise Closed from error
        if not count:
            raise Closed
        view = view[count:]
