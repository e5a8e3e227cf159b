"""How large a picture says it is, read from its first bytes; it is never unpacked here.

Sources: PNG (ISO/IEC 15948), section 11.2.2; JPEG (ITU-T T.81), annex B; GIF 89a, section 18.
"""

import struct

PIXELS_MAX = 100_000_000  # a detector's are below 9 million; unpacked, this is 300 MB
_PNG, _JPEG, _GIF = b"\x89PNG\r\n\x1a\n", b"\xff\xd8", b"GIF8"
# Frame headers of all processes; C4, C8 and CC share the range and are none.
_FRAMES = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}
_ALONE = frozenset({0x01, *range(0xD0, 0xD9)})  # markers without a length
_SEGMENTS_MAX = 256


def problem(data: bytes) -> str | None:
    """Return why nobody should unpack this picture; None for one that is fine or not known.

    Args:
        data: The encoded picture, as it came.
    """
    width, height = size(data)
    if width * height <= PIXELS_MAX:
        return None
    return f"says it has {width} x {height} pixels, at most {PIXELS_MAX} are unpacked"


def size(data: bytes) -> tuple[int, int]:
    """Return width and height in pixels as the header of a PNG, JPEG or GIF says; else (0, 0)."""
    try:
        if data.startswith(_PNG):
            return struct.unpack_from(">II", data, 16)
        if data.startswith(_GIF):
            return struct.unpack_from("<HH", data, 6)
        return _jpeg_size(data) if data.startswith(_JPEG) else (0, 0)
    except (struct.error, IndexError):  # cut short
        return 0, 0


def _jpeg_size(data: bytes) -> tuple[int, int]:
    place = len(_JPEG)
    for _ in range(_SEGMENTS_MAX):
        if data[place] != 0xFF:
            break
        marker = data[place + 1]
        if marker in _FRAMES:
            height, width = struct.unpack_from(">HH", data, place + 5)
            return width, height
        if marker == 0xFF:  # fill bytes
            place += 1
        elif marker in _ALONE:
            place += 2
        else:
            place += 2 + struct.unpack_from(">H", data, place + 2)[0]
    return 0, 0
