"""Scripted clips through the packaged models: the short form of `make bench-edge`."""

import pytest
from edge_detector.vision.detector import Detector

from benchmarks.edge import clips, episodes
from benchmarks.edge.stage import Clip

_FPS = 5.0


@pytest.fixture(scope="module")
def looking() -> Detector:
    return episodes.detector()


@pytest.mark.parametrize("clip", clips.short_clips(), ids=lambda clip: clip.name)
def test_what_happens_in_a_clip_is_told_exactly(clip: Clip, looking: Detector) -> None:
    found = episodes.play(clip, looking, fps=_FPS, seed=3)

    assert (found.episodes, found.alerts) == (clip.episodes, clip.alerts)
