"""Pictures that boards send: looked at by their header alone, never decoded; pure.

What is not decoded cannot be a decompression bomb; JPEG and PNG say their size at the front.
"""

import struct
from dataclasses import dataclass, field

SIDE_PX_MAX = 8192
_PNG = b"\x89PNG\r\n\x1a\n"
_JPEG = b"\xff\xd8"
_JPEG_END = b"\xff\xd9"
# Start of frame: ITU T.81, table B.1, without DHT, JPG and DAC, which share the range.
_FRAMES = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}


@dataclass(frozen=True, slots=True)
class Picture:
    """An encoded picture; sizes in pixels."""

    format: str
    width: int
    height: int
    data: bytes = field(repr=False)


def inspect(data: bytes, *, bytes_max: int) -> Picture:
    """Return what the picture says of itself.

    Raises:
        ValueError: It is neither JPEG nor PNG, truncated, or too large.
    """
    if len(data) > bytes_max:
        raise ValueError(f"{len(data)} bytes, at most {bytes_max} are taken")
    if data.startswith(_JPEG):
        kind, (width, height) = "jpg", _jpeg_size(data)
    elif data.startswith(_PNG):
        kind, (width, height) = "png", _png_size(data)
    else:
        raise ValueError("neither JPEG nor PNG")
    if not 0 < width <= SIDE_PX_MAX or not 0 < height <= SIDE_PX_MAX:
        raise ValueError(f"{width} x {height} px, at most {SIDE_PX_MAX} a side are taken")
    return Picture(kind, width, height, data)


def _png_size(data: bytes) -> tuple[int, int]:
    if len(data) < 24 or data[12:16] != b"IHDR" or b"IEND" not in data[-12:]:
        raise ValueError("a truncated PNG")
    width, height = struct.unpack_from(">II", data, 16)
    return width, height


def _jpeg_size(data: bytes) -> tuple[int, int]:
    at = 2
    # Cameras pad the end of a buffer with zeros.
    if data.rstrip(b"\0")[-2:] != _JPEG_END:
        raise ValueError("a truncated JPEG")
    while at + 9 <= len(data) and data[at] == 0xFF:
        marker = data[at + 1]
        if marker in _FRAMES:
            height, width = struct.unpack_from(">HH", data, at + 5)
            return width, height
        at += 2 + struct.unpack_from(">H", data, at + 2)[0]
    raise ValueError("a JPEG without a frame")
