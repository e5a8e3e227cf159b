import cv2
import numpy as np
import pytest
from edge_detector.gateway import pictures
from hypothesis import given
from hypothesis import strategies as st


def _encoded(extension: str, width: int = 40, height: int = 30) -> bytes:
    noise = np.random.default_rng(1).integers(0, 255, (height, width, 3), np.uint8)
    return bytes(cv2.imencode(extension, noise)[1])


@pytest.mark.parametrize(("extension", "kind"), [(".jpg", "jpg"), (".png", "png")])
def test_size_is_read_from_the_header(extension: str, kind: str) -> None:
    picture = pictures.inspect(_encoded(extension), bytes_max=100_000)

    assert (picture.format, picture.width, picture.height) == (kind, 40, 30)


def test_padded_buffer_of_a_camera_is_a_picture() -> None:
    assert pictures.inspect(_encoded(".jpg") + b"\0" * 64, bytes_max=100_000).width == 40


@pytest.mark.parametrize("extension", [".jpg", ".png"])
def test_truncated_picture_is_refused(extension: str) -> None:
    with pytest.raises(ValueError, match="truncated"):
        pictures.inspect(_encoded(extension)[:-20], bytes_max=100_000)


@pytest.mark.parametrize(
    ("data", "told"),
    [
        (b"", "neither JPEG nor PNG"),
        (b"GIF89a", "neither JPEG nor PNG"),
        (b"\xff\xd8\xff\xd9", "without a frame"),
        (b"x" * 101, "at most 100"),
    ],
)
def test_what_is_no_picture_is_refused(data: bytes, told: str) -> None:
    with pytest.raises(ValueError, match=told):
        pictures.inspect(data, bytes_max=100)


def test_decompression_bomb_is_told_by_its_header_alone() -> None:
    png = bytearray(_encoded(".png"))
    png[16:24] = (60_000).to_bytes(4, "big") * 2

    with pytest.raises(ValueError, match="60000 x 60000 px"):
        pictures.inspect(bytes(png), bytes_max=100_000)


@given(st.sampled_from([b"\xff\xd8\xff", b"\x89PNG\r\n\x1a\n"]), st.binary(max_size=100))
def test_rubbish_behind_a_signature_is_refused_or_has_a_size(start: bytes, rest: bytes) -> None:
    try:
        picture = pictures.inspect(start + rest + b"\xff\xd9", bytes_max=1000)
    except ValueError:
        return
    assert 0 < picture.width <= pictures.SIDE_PX_MAX
