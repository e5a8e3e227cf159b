"""The search for pictures in bytes finds what it has to, and nothing else."""

import numpy as np
import pytest
from edge_detector.vision.arrays import Picture

from benchmarks.edge import traces
from benchmarks.edge.traces import Seeker, Traces

_NUMBERS = np.random.default_rng(5)


@pytest.fixture(scope="module")
def frame() -> Picture:
    return _NUMBERS.integers(0, 256, (48, 64, 3)).astype(np.uint8)


@pytest.fixture(scope="module")
def seeker(frame: Picture) -> Seeker:
    return Seeker([np.zeros_like(frame), frame])


def _noise(size_bytes: int) -> bytes:
    # No byte 255 and none below 2: no marker by chance.
    return _NUMBERS.integers(2, 120, size_bytes).astype(np.uint8).tobytes()


@pytest.mark.parametrize("data", [b"", b"\x00", bytes(100_000), b"text " * 1000])
def test_nothing_is_found_in_what_holds_no_picture(seeker: Seeker, data: bytes) -> None:
    assert seeker.found(data) == Traces(len(data), 0, 0)


@pytest.mark.parametrize("marker", [b"\xff\xd8\xff\xe0", b"\x89PNG\r\n"])
def test_markers_are_counted(seeker: Seeker, marker: bytes) -> None:
    assert seeker.found(_noise(50) + marker + _noise(70) + marker).markers == 2


@pytest.mark.parametrize("begin", [0, 1, 31, 32, 33, 63, 64, 4000, 48 * 64 * 3 - 64])
@pytest.mark.parametrize("before", [0, 1, 17, 1000])
def test_any_64_bytes_of_a_frame_are_found(
    seeker: Seeker, frame: Picture, begin: int, before: int
) -> None:
    run = frame.tobytes()[begin : begin + traces.RUN_BYTES]

    assert seeker.found(_noise(before) + run + _noise(300)).runs >= 1
    assert seeker.found(_noise(before) + run).runs >= 1


@pytest.mark.parametrize("begin", [0, 1, 31, 32, 33, 4000])
def test_63_bytes_are_no_run(seeker: Seeker, frame: Picture, begin: int) -> None:
    pixels = frame.tobytes()
    run = pixels[begin : begin + traces.RUN_BYTES - 1]
    other = bytes([pixels[begin + traces.RUN_BYTES - 1] ^ 1])
    # Neither does what stands before it go on as in the frame.
    first = bytes([pixels[begin - 1] ^ 1]) if begin else b""

    assert seeker.found(_noise(100) + first + run + other + _noise(100)).runs == 0


def test_run_across_two_pieces_of_a_large_file_is_found(seeker: Seeker, frame: Picture) -> None:
    run = frame.tobytes()[500 : 500 + traces.RUN_BYTES]
    piece = bytes(4 * 1024 * 1024 - 20)

    assert seeker.found(piece + run + piece).runs >= 1


def test_without_a_frame_there_is_nothing_to_look_for() -> None:
    with pytest.raises(ValueError, match="no frame"):
        Seeker([])
