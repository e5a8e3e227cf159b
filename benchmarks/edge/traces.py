"""Whether bytes hold a picture: the marker of a file, or a run of a frame's own bytes."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Self

import numpy as np
import numpy.typing as npt
from edge_detector.vision.arrays import Picture

RUN_BYTES = 64
_MARKERS = (b"\xff\xd8\xff", b"\x89PNG")  # JPEG, PNG
# Whatever 64 bytes of a frame are taken, a block of 32 at a multiple of 32 lies within them.
_BLOCK_BYTES = RUN_BYTES // 2
# Black, or a wall without grain, says nothing of a picture and stands in any file.
_VALUES_MIN = 8
_CHUNK_BYTES = 4 * 1024 * 1024
# Enough to know; each costs a comparison with every frame that has the same block.
_RUNS_MAX = 1000
# Any odd number whose bits are mixed well; all hashes are modulo 2^64.
_BASE, _MODULUS = 0x9E3779B97F4A7C15, 1 << 64
_SIEVE_BITS = 22
_SIEVE_SHIFT = np.uint64(64 - _SIEVE_BITS)
Bytes = npt.NDArray[np.uint8]
Hashes = npt.NDArray[np.uint64]
_POWERS: Hashes = np.array(
    [pow(_BASE, place, _MODULUS) for place in reversed(range(_BLOCK_BYTES))], np.uint64
)


@dataclass(frozen=True, slots=True)
class Traces:
    """What was found.

    Attributes:
        size_bytes: Looked through.
        markers: Of JPEG and PNG files.
        runs: Blocks of 32 bytes within 64 or more that stand so in a frame; counted up to 1,000.
    """

    size_bytes: int = 0
    markers: int = 0
    runs: int = 0

    def __add__(self, other: Self) -> "Traces":
        return Traces(
            self.size_bytes + other.size_bytes,
            self.markers + other.markers,
            self.runs + other.runs,
        )


class Seeker:
    """Knows every byte of these frames.

    Args:
        frames: Each of shape (H, W, 3), as the pipeline has it in memory.

    Raises:
        ValueError: There is no frame.
    """

    def __init__(self, frames: Iterable[Picture]) -> None:
        padded = [_padded(np.ascontiguousarray(frame).reshape(-1)) for frame in frames]
        if not padded:
            raise ValueError("there is no frame to look for")
        self._frames = np.concatenate(padded)
        blocks = self._frames.reshape(-1, _BLOCK_BYTES)
        ordered = np.sort(blocks, axis=1)
        values = 1 + (np.diff(ordered, axis=1) != 0).sum(axis=1)
        places = np.flatnonzero(values >= _VALUES_MIN)
        hashes = (blocks[places].astype(np.uint64) * _POWERS).sum(axis=1, dtype=np.uint64)
        order = np.argsort(hashes, kind="stable")
        self._hashes: Hashes = hashes[order]
        self._starts = places[order] * _BLOCK_BYTES
        self._sieve = np.zeros(1 << _SIEVE_BITS, np.bool_)
        self._sieve[self._hashes >> _SIEVE_SHIFT] = True

    def found(self, data: bytes) -> Traces:
        """Return what of a picture the bytes hold, at whatever place."""
        markers = sum(data.count(marker) for marker in _MARKERS)
        runs = 0
        for chunk in _chunks(np.frombuffer(data, np.uint8)):
            if runs < _RUNS_MAX:
                runs += self._runs(chunk)
        return Traces(len(data), markers, min(runs, _RUNS_MAX))

    def _runs(self, chunk: Bytes) -> int:
        hashes = _rolling(chunk)
        # Few pass the sieve, and of those few are in the list.
        places = np.flatnonzero(self._sieve[hashes >> _SIEVE_SHIFT])
        firsts = np.searchsorted(self._hashes, hashes[places], side="left")
        lasts = np.searchsorted(self._hashes, hashes[places], side="right")
        count = 0
        for index in np.flatnonzero(lasts > firsts):
            starts = self._starts[firsts[index] : lasts[index]]
            count += self._is_run(chunk, int(places[index]), starts)
            if count >= _RUNS_MAX:
                break
        return count

    def _is_run(self, chunk: Bytes, place: int, starts: npt.NDArray[np.intp]) -> bool:
        """Return whether a block at this place goes on as it does in one of the frames.

        Args:
            chunk: The bytes looked through.
            place: Where the block begins in them.
            starts: Where blocks with its hash begin in the frames.
        """
        low, high = max(0, place - _BLOCK_BYTES), place + 2 * _BLOCK_BYTES
        around = chunk[low:high]
        offsets = np.arange(low - place, low - place + len(around))
        indices = (starts[:, None] + offsets) % len(self._frames)
        equal = self._frames[indices] == around
        middle = place - low
        back = np.logical_and.accumulate(equal[:, :middle][:, ::-1], axis=1).sum(axis=1)
        on = np.logical_and.accumulate(equal[:, middle:], axis=1).sum(axis=1)
        # A hash may be another block's: the block itself is compared too.
        return bool(((on >= _BLOCK_BYTES) & (back + on >= RUN_BYTES)).any())


def _padded(flat: Bytes) -> Bytes:
    return np.pad(flat, (0, -len(flat) % _BLOCK_BYTES))


def _chunks(data: Bytes) -> Iterator[Bytes]:
    """Yield pieces that overlap by so much that no run is cut."""
    for begin in range(0, len(data), _CHUNK_BYTES):
        chunk = data[max(0, begin - RUN_BYTES) : begin + _CHUNK_BYTES + RUN_BYTES]
        if len(chunk) >= RUN_BYTES:
            yield chunk


def _rolling(data: Bytes) -> Hashes:
    """Return the hash of each window of 32 bytes: sum of byte times base to its place's power."""
    hashes, width, power = data.astype(np.uint64), 1, _BASE
    while width < _BLOCK_BYTES:
        hashes = hashes[:-width] * np.uint64(power) + hashes[width:]
        width, power = 2 * width, power * power % _MODULUS
    return hashes
