from functools import lru_cache

import numpy as np
import numpy.typing as npt
import pytest
from edge_detector.vision.arrays import Picture
from edge_detector.vision.motion import Gate, Rules

_RULES = Rules(idle_look_s=2.0, still_look_s=0.5)


@lru_cache
def _grain() -> list[npt.NDArray[np.float32]]:
    numbers = np.random.default_rng(1)
    return [numbers.normal(0, 3, (180, 320, 3)).astype(np.float32) for _ in range(5)]


def _frame(number: int = 0, *, light: int = 0) -> Picture:
    wall = np.linspace(60, 180, 320, dtype=np.float32)[None, :, None]
    return (wall + _grain()[number % 5] + light).clip(0, 255).astype(np.uint8)


def _with_head(x: int, side_px: int, *, contrast: int = 45) -> Picture:
    frame = _frame(2)
    frame[80 : 80 + side_px, x : x + side_px] -= np.uint8(contrast)
    return frame


def _looked(
    gate: Gate, frames: list[tuple[float, Picture]], *, is_anyone_here: bool
) -> list[float]:
    return [
        at_s
        for at_s, frame in frames
        if gate.is_due(frame, at_s=at_s, is_anyone_here=is_anyone_here)
    ]


def test_first_frame_is_looked_at() -> None:
    assert Gate(_RULES).is_due(_frame(), at_s=0.0, is_anyone_here=False)


@pytest.mark.parametrize(("is_anyone_here", "expected"), [(False, 3), (True, 10)])
def test_noise_and_light_alone_are_looked_at_as_seldom_as_allowed(
    *, is_anyone_here: bool, expected: int
) -> None:
    frames = [(number / 10, _frame(number, light=number % 7 * 3)) for number in range(50)]

    looked = _looked(Gate(_RULES), frames, is_anyone_here=is_anyone_here)

    assert len(looked) == expected


@pytest.mark.parametrize("side_px", [12, 24, 50])
def test_somebody_who_comes_in_is_seen_at_once(side_px: int) -> None:
    gate = Gate(_RULES)
    gate.is_due(_frame(), at_s=0.0, is_anyone_here=False)

    assert not gate.is_due(_frame(2), at_s=0.1, is_anyone_here=False)
    assert gate.is_due(_with_head(170, side_px), at_s=0.2, is_anyone_here=False)


def test_slow_movement_adds_up() -> None:
    gate = Gate(Rules(idle_look_s=1e9))
    frames = [(number / 10, _with_head(200 + number // 2, 24, contrast=20)) for number in range(60)]

    assert 3 <= len(_looked(gate, frames, is_anyone_here=False)) <= 20


def test_time_that_runs_backwards_is_looked_at() -> None:
    gate = Gate(_RULES)
    gate.is_due(_frame(), at_s=100.0, is_anyone_here=False)

    assert gate.is_due(_frame(), at_s=1.0, is_anyone_here=False)


def test_frames_may_be_tiny_or_change_their_size() -> None:
    gate = Gate(_RULES)
    for at_s, size in enumerate([(1, 1), (720, 1280), (48, 64)]):
        assert gate.is_due(np.zeros((*size, 3), np.uint8), at_s=3.0 * at_s, is_anyone_here=False)
