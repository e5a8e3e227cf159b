"""The Raspberry Pi's camera through picamera2, which is imported only when it is used."""

import importlib
from collections.abc import Iterator
from typing import Any

import numpy as np
from maskwatch_runtime.clock import Clock

from edge_detector.sources.base import Frame, Sampler, SourceAway, Stop

_RESOLUTION_WH_DEFAULT = (1280, 720)


class PiSource:
    """Frames of a camera at the Pi's own connector, at most `fps` a second.

    picamera2 comes from the operating system (`apt install python3-picamera2`): it is bound to
    the system's libcamera, so the environment must see the system's packages.

    Args:
        index: Which camera; 0 where there is one.
        resolution_wh: In px; 1280 x 720 when None.
        fps: Frames kept a second.
        clock: Stamps the frames.
    """

    def __init__(
        self,
        index: int,
        *,
        resolution_wh: tuple[int, int] | None,
        fps: float,
        clock: Clock,
    ) -> None:
        self._index = index
        self._size_wh = resolution_wh or _RESOLUTION_WH_DEFAULT
        self._fps = fps
        self._clock = clock

    def frames(self, stop: Stop) -> Iterator[Frame]:
        camera = self._started()
        sampler = Sampler(self._fps)
        try:
            while not stop.is_set():
                picture = camera.capture_array("main")
                at_s = self._clock.monotonic_s()
                if sampler.is_due(at_s):
                    yield Frame(np.asarray(picture, np.uint8), self._clock.now(), at_s)
        finally:
            camera.stop()
            camera.close()

    def _started(self) -> Any:
        try:
            library = importlib.import_module("picamera2")
        except ImportError as error:
            raise SourceAway(
                f"picamera2 cannot be imported ({error}): apt install python3-picamera2,"
                " and let the environment see the system's packages"
            ) from error
        try:
            camera = library.Picamera2(self._index)
            # libcamera's RGB888 lies in memory as B, G, R: what OpenCV and the models here expect.
            camera.configure(
                camera.create_video_configuration(
                    main={"size": self._size_wh, "format": "RGB888"},
                    controls={"FrameRate": max(self._fps, 5.0)},
                )
            )
            camera.start()
        except (RuntimeError, IndexError, OSError) as error:
            raise SourceAway(f"Pi camera {self._index} cannot be opened: {error}") from error
        return camera
