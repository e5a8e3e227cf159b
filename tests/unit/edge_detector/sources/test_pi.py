"""Without the hardware: what is said when the library is not there."""

import importlib.util
import threading

import pytest
from edge_detector.sources.base import SourceAway
from edge_detector.sources.pi import PiSource
from maskwatch_runtime.testing import FakeClock


@pytest.mark.skipif(
    importlib.util.find_spec("picamera2") is not None, reason="picamera2 is installed here"
)
def test_missing_library_is_named_with_what_to_install(clock: FakeClock) -> None:
    source = PiSource(0, resolution_wh=None, fps=10, clock=clock)

    with pytest.raises(SourceAway, match="apt install python3-picamera2"):
        next(source.frames(threading.Event()))
