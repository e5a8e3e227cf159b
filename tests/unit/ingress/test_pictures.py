import struct
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st
from ingress import pictures

_PNG = b"\x89PNG\r\n\x1a\n" + struct.pack(">I", 13) + b"IHDR"


def _png(width: int, height: int) -> bytes:
    return _PNG + struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)


def _gif(width: int, height: int) -> bytes:
    return b"GIF89a" + struct.pack("<HH", width, height)


def _jpeg(width: int, height: int, *, marker: int = 0xC0, before: bytes = b"") -> bytes:
    frame = struct.pack(">BBHBHHB", 0xFF, marker, 11, 8, height, width, 1)
    return b"\xff\xd8" + before + frame + b"\x01\x11\x00"


_APPLICATION = b"\xff\xe0\x00\x10JFIF\x00\x01\x01\x00\x00\x01\x00\x01\x00\x00"
_TABLE = b"\xff\xc4\x00\x04\x00\x00"  # Huffman: its marker lies among those of frames


@pytest.mark.parametrize(
    "data",
    [
        _png(640, 480),
        _gif(640, 480),
        _jpeg(640, 480),
        _jpeg(640, 480, marker=0xC2),
        _jpeg(640, 480, before=_APPLICATION),
        _jpeg(640, 480, before=_TABLE),
        _jpeg(640, 480, before=b"\xff\xff\xff"),
        _jpeg(640, 480, before=b"\xff\xd0"),
    ],
    ids=["png", "gif", "jpeg", "progressive", "JFIF", "table", "fill bytes", "restart marker"],
)
def test_size_is_read_from_the_header(data: bytes) -> None:
    assert pictures.size(data) == (640, 480)


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"\xff\xd8",
        b"\xff\xd8 picture \xff\xd9",
        b"RIFF....WEBP",
        _png(640, 480)[:20],
        _jpeg(640, 480)[:8],
        b"\xff\xd8" + b"\xff\xe0\x00\x00" * 1000,
    ],
    ids=["none", "start", "no segments", "another", "cut PNG", "cut JPEG", "endless segments"],
)
def test_what_tells_no_size_is_kept_as_it_came(data: bytes) -> None:
    assert pictures.problem(data) is None


@pytest.mark.parametrize(
    ("width", "height", "is_fine"),
    [(10_000, 10_000, True), (10_000, 10_001, False), (60_000, 60_000, False), (65_535, 1, True)],
)
@pytest.mark.parametrize("make", [_png, _gif, _jpeg])
def test_gigapixels_are_told(
    make: Callable[[int, int], bytes], width: int, height: int, *, is_fine: bool
) -> None:
    reason = pictures.problem(make(width, height))

    assert (reason is None) == is_fine
    assert is_fine or str(width) in (reason or "")


@given(st.binary(max_size=300), st.sampled_from([b"", b"\xff\xd8", _PNG, b"GIF89a"]))
def test_bytes_of_any_sort_never_raise(data: bytes, beginning: bytes) -> None:
    pictures.problem(beginning + data)
