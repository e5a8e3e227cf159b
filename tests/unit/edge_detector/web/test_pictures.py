import io
import struct
import zlib
from collections.abc import Callable

import numpy as np
import pytest
from edge_detector.web.pictures import PIXELS_MAX, Decoder
from edge_detector.web.problems import Problem
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

Encode = Callable[..., bytes]
RED_BGR = [0, 0, 255]


def _refusal(data: bytes) -> Problem:
    with pytest.raises(Problem) as refused:
        Decoder().decode(data)
    return refused.value


def _status(data: bytes) -> int:
    try:
        Decoder().decode(data)
    except Problem as refused:
        return refused.status
    return 200


def _png_of(width: int, height: int) -> bytes:
    """Return a PNG that claims a size and holds hardly any pixel."""

    def chunk(name: bytes, data: bytes) -> bytes:
        return (
            struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))
        )

    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    pixels = zlib.compress(b"\0" * 10_000)
    start = b"\x89PNG\r\n\x1a\n"
    return start + chunk(b"IHDR", header) + chunk(b"IDAT", pixels) + chunk(b"IEND", b"")


@pytest.mark.parametrize("kind", ["PNG", "BMP", "GIF", "WEBP", "TIFF", "JPEG"])
def test_each_kind_is_decoded_in_bgr(kind: str, encode: Encode) -> None:
    decoded = Decoder().decode(encode(kind, colour=(255, 0, 0)))

    assert decoded.size_wh == (8, 6)
    assert decoded.image_bgr.shape == (6, 8, 3)
    assert np.abs(decoded.image_bgr.astype(int) - RED_BGR).max() <= 3


@pytest.mark.parametrize(
    ("kind", "mode", "colour", "bgr"),
    [
        ("PNG", "L", 200, [200, 200, 200]),
        ("JPEG", "L", 200, [200, 200, 200]),
        ("PNG", "1", 1, [255, 255, 255]),
        ("PNG", "P", 0, [0, 0, 0]),
        ("PNG", "LA", (0, 0), [255, 255, 255]),
        ("PNG", "RGBA", (255, 0, 0, 255), RED_BGR),
        ("PNG", "RGBA", (255, 0, 0, 0), [255, 255, 255]),
        ("WEBP", "RGBA", (255, 0, 0, 0), [255, 255, 255]),
        ("PNG", "I;16", 0x8000, [128, 128, 128]),
        ("TIFF", "I;16", 0x8000, [128, 128, 128]),
        ("JPEG", "CMYK", (0, 255, 255, 0), RED_BGR),
        ("TIFF", "CMYK", (0, 255, 255, 0), RED_BGR),
    ],
)
def test_every_kind_of_pixel_becomes_the_colour_that_is_displayed(
    kind: str, mode: str, colour: object, bgr: list[int], encode: Encode
) -> None:
    decoded = Decoder().decode(encode(kind, mode=mode, colour=colour))

    assert np.abs(decoded.image_bgr.astype(int) - bgr).max() <= 3


def test_transparent_colour_of_a_palette_is_white(encode: Encode) -> None:
    decoded = Decoder().decode(encode("PNG", mode="P", transparency=0))

    assert (decoded.image_bgr == 255).all()


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP"])
@pytest.mark.parametrize("orientation", range(1, 9))
def test_rotation_tag_is_obeyed(kind: str, orientation: int) -> None:
    upright = np.zeros((32, 64, 3), np.uint8)
    upright[:16, :32] = 255
    # What a camera stores that was held in that way: the display turns it back.
    inverse = {1: None, 2: 0, 3: 3, 4: 1, 5: 5, 6: 2, 7: 6, 8: 4}[orientation]
    stored = Image.fromarray(upright)
    if inverse is not None:
        stored = stored.transpose(Image.Transpose(inverse))
    exif = Image.Exif()
    exif[0x0112] = orientation
    file = io.BytesIO()
    stored.save(file, kind, exif=exif, **({"lossless": True} if kind == "WEBP" else {}))

    decoded = Decoder().decode(file.getvalue())

    assert decoded.size_wh == (64, 32)
    assert np.abs(decoded.image_bgr.astype(int) - upright).max() <= 40


@pytest.mark.parametrize("kind", ["GIF", "WEBP", "PNG", "TIFF"])
def test_first_frame_of_an_animation_is_taken(kind: str) -> None:
    file = io.BytesIO()
    red, blue = (Image.new("RGB", (8, 6), colour) for colour in ((255, 0, 0), (0, 0, 255)))
    red.save(file, kind, save_all=True, append_images=[blue])

    decoded = Decoder().decode(file.getvalue())

    assert np.abs(decoded.image_bgr.astype(int) - RED_BGR).max() <= 3


def test_large_jpeg_is_decoded_at_half_its_size_and_told_at_its_own(encode: Encode) -> None:
    decoded = Decoder().decode(encode("JPEG", size=(4200, 3000), colour=(255, 0, 0)))

    assert decoded.size_wh == (4200, 3000)
    assert decoded.image_bgr.shape == (1500, 2100, 3)


@pytest.mark.parametrize("size", [(PIXELS_MAX + 1, 1), (30_000, 30_000), (1, PIXELS_MAX + 1)])
def test_bomb_is_refused_by_its_header(size: tuple[int, int]) -> None:
    refused = _refusal(_png_of(*size))

    assert refused.status == 413
    assert "40 megapixels" in refused.detail


@pytest.mark.parametrize("data", [b"", b"\0" * 100, b"GIF", b"%PDF-1.7 ...", b"<svg/>", b"hello"])
def test_what_is_no_picture_is_refused(data: bytes) -> None:
    assert _refusal(data).status == 415


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "WEBP", "BMP", "TIFF"])
def test_picture_cut_off_is_refused(kind: str) -> None:
    noise = np.random.default_rng(1).integers(0, 255, (64, 64, 3), np.uint8)
    file = io.BytesIO()
    Image.fromarray(noise).save(file, kind)
    data = file.getvalue()

    assert _refusal(data[: len(data) * 2 // 3]).status in (415, 422)


def test_jpeg_of_too_many_scans_is_refused(encode: Encode) -> None:
    data = encode("JPEG")
    scan = data.index(b"\xff\xda")

    refused = _refusal(data[:scan] + 65 * data[scan:])

    assert refused.status == 422
    assert "scans" in refused.detail


def test_floating_point_picture_is_refused(encode: Encode) -> None:
    assert _refusal(encode("TIFF", mode="F", colour=0.5)).status == 415


@given(
    kind=st.sampled_from(["PNG", "JPEG", "GIF", "WEBP", "BMP", "TIFF"]),
    edits=st.lists(st.tuples(st.integers(0, 10_000), st.integers(0, 255)), max_size=12),
    keep=st.integers(1, 10_000),
)
def test_damaged_picture_is_decoded_or_refused(
    kind: str, edits: list[tuple[int, int]], keep: int
) -> None:
    file = io.BytesIO()
    Image.effect_noise((24, 16), 60).convert("P" if kind == "GIF" else "RGB").save(file, kind)
    data = bytearray(file.getvalue())
    for at, value in edits:
        data[at % len(data)] = value

    assert _status(bytes(data[:keep])) in (200, 413, 415, 422)
