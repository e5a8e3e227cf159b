"""What each camera shows now, and who was seen: between the detection loop and the browsers."""

import threading
from collections import OrderedDict, deque
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum

import cv2
import numpy as np
from maskwatch_proto.alert import Label
from maskwatch_runtime.clock import Clock

from edge_detector.vision.arrays import Picture

_EPISODES_MAX = 30
# Seen small in the list, and as large as this when it is opened.
_THUMBNAIL_PX = 480
_QUALITY, _THUMBNAIL_QUALITY = 72, 78
# The rate is that of the last so many frames.
_RATE_FRAMES = 11


class State(StrEnum):
    """What a camera is doing."""

    WAITING = "waiting"
    UP = "up"
    DOWN = "down"
    STOPPED = "stopped"


@dataclass(frozen=True, slots=True)
class ShownFace:
    """A face as the page draws it: corners in px of the frame, how probable the label is, track."""

    xyxy_px: tuple[float, float, float, float]
    label: Label
    probability: float
    track: int | None = None


@dataclass(frozen=True, slots=True)
class Shown:
    """One judged frame.

    Attributes:
        picture: Returns it as privacy leaves it, shape (H, W, 3), or None when no pixel may leave
            memory. Called once, for the first who looks, from a thread of the page: blurring costs
            more than showing, and the detection's thread waits for nobody.
        size_wh: Of the frame, px.
        taken_at: When the camera took it.
        inference_ms: Finding and judging the faces.
    """

    picture: Callable[[], Picture | None]
    size_wh: tuple[int, int]
    faces: tuple[ShownFace, ...]
    taken_at: datetime
    inference_ms: float


@dataclass(frozen=True, slots=True)
class Episode:
    """One person without a mask, from entering to leaving.

    Attributes:
        id: The same from beginning to end.
        ended_at: None while it lasts.
        is_mask_put_on: None as long as nobody knows.
        thumbnail_bgr: As privacy leaves it; None when no pixel may leave memory.
    """

    id: str
    camera: str
    label: Label
    begun_at: datetime
    ended_at: datetime | None = None
    is_mask_put_on: bool | None = None
    thumbnail_bgr: Picture | None = None


class Frame:
    """A frame on the board; its JPEG is made for the first who asks, and kept for the others.

    Attributes:
        sequence: Counts a camera's frames.
        taken_s: When it was taken, on the monotonic clock.
        fps: Frames a second that the camera had lately.
    """

    def __init__(self, shown: Shown, *, sequence: int, taken_s: float, fps: float) -> None:
        self.shown = shown
        self.sequence = sequence
        self.taken_s = taken_s
        self.fps = fps
        self._lock = threading.Lock()
        self._jpeg: bytes | None = None

    def jpeg(self, *, width_px_max: int) -> bytes:
        """Return the picture, scaled down; empty when there is none to be shown."""
        with self._lock:
            if self._jpeg is None:
                picture = self.shown.picture()
                self._jpeg = (
                    b""
                    if picture is None
                    else _jpeg(picture, width_px_max=width_px_max, quality=_QUALITY)
                )
            return self._jpeg


@dataclass(slots=True)
class Camera:
    """A camera on the board."""

    name: str
    state: State = State.WAITING
    reason: str = ""
    frame: Frame | None = None
    published_s: deque[float] = field(default_factory=lambda: deque(maxlen=_RATE_FRAMES))


class Board:
    """Takes from the detection's threads, gives to the page's; the latest frame wins.

    Args:
        cameras: Their names, in the order in which the page shows them.
        clock: Where the time comes from.
    """

    def __init__(self, cameras: Iterable[str], clock: Clock) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._cameras = {name: Camera(name) for name in cameras}
        self._episodes: OrderedDict[str, tuple[Episode, bytes]] = OrderedDict()
        self._listeners: set[Callable[[], None]] = set()
        self._version = 0
        self._from_browsers: frozenset[str] = frozenset()

    def publish(self, camera: str, shown: Shown) -> None:
        """Show a frame in place of the one before it; costs microseconds, watched or not.

        A camera that waits or is down is up by it; one that is stopped stays stopped.
        """
        now_s = self._clock.monotonic_s()
        age_s = max(0.0, (self._clock.now() - shown.taken_at).total_seconds())
        with self._lock:
            its = self._cameras.setdefault(camera, Camera(camera))
            its.published_s.append(now_s)
            sequence = its.frame.sequence + 1 if its.frame else 1
            its.frame = Frame(
                shown, sequence=sequence, taken_s=now_s - age_s, fps=_rate(its.published_s)
            )
            if its.state in (State.WAITING, State.DOWN):
                its.state, its.reason = State.UP, ""
                self._version += 1
        self._tell()

    def state(self, camera: str, state: State, reason: str = "") -> None:
        """Say that a camera is up, down or stopped, and why."""
        with self._lock:
            its = self._cameras.setdefault(camera, Camera(camera))
            its.state, its.reason = state, reason
            self._version += 1
        self._tell()

    def episode(self, episode: Episode) -> None:
        """Show an episode, or what has become of it; a later picture replaces the earlier."""
        picture = episode.thumbnail_bgr
        thumbnail = b""
        if picture is not None:
            thumbnail = _jpeg(picture, width_px_max=_THUMBNAIL_PX, quality=_THUMBNAIL_QUALITY)
        with self._lock:
            _, before = self._episodes.get(episode.id, (None, b""))
            self._episodes[episode.id] = (episode, thumbnail or before)
            while len(self._episodes) > _EPISODES_MAX:
                self._episodes.popitem(last=False)
            self._version += 1
        self._tell()

    def take_from_browsers(self, cameras: Iterable[str]) -> None:
        """Say which cameras a browser's own camera may stand in for."""
        with self._lock:
            self._from_browsers = frozenset(cameras)
            self._version += 1
        self._tell()

    @property
    def from_browsers(self) -> frozenset[str]:
        return self._from_browsers

    def forget(self, camera: str) -> None:
        """Take a camera off the board, after a change of configuration."""
        with self._lock:
            self._cameras.pop(camera, None)
            self._version += 1
        self._tell()

    def withhold(self, camera: str) -> None:
        """Take a camera's picture off the board until its next frame: its privacy has changed."""
        with self._lock:
            if camera in self._cameras:
                self._cameras[camera].frame = None

    @property
    def version(self) -> int:
        """Rises with every change but a new frame."""
        return self._version

    def cameras(self) -> list[tuple[str, State, str]]:
        """Return name, state and reason of each camera."""
        with self._lock:
            return [(its.name, its.state, its.reason) for its in self._cameras.values()]

    def newest(self) -> dict[str, Frame]:
        """Return the newest frame of each camera that has one."""
        with self._lock:
            return {name: its.frame for name, its in self._cameras.items() if its.frame}

    def episodes(self) -> list[tuple[Episode, bool]]:
        """Return the last episodes, newest first, and whether each has a thumbnail."""
        with self._lock:
            return [(episode, bool(jpeg)) for episode, jpeg in reversed(self._episodes.values())]

    def thumbnail(self, episode_id: str) -> bytes:
        """Return an episode's JPEG; empty when there is none."""
        with self._lock:
            return self._episodes.get(episode_id, (None, b""))[1]

    def listen(self, listener: Callable[[], None]) -> None:
        """Call this after every change, from whichever thread made it; it must not block."""
        with self._lock:
            self._listeners.add(listener)

    def leave(self, listener: Callable[[], None]) -> None:
        """Call it no more."""
        with self._lock:
            self._listeners.discard(listener)

    def _tell(self) -> None:
        with self._lock:
            listeners = tuple(self._listeners)
        for listener in listeners:
            listener()


def _rate(published_s: deque[float]) -> float:
    spent_s = published_s[-1] - published_s[0]
    return (len(published_s) - 1) / spent_s if spent_s > 0 else 0.0


def _jpeg(picture: Picture, *, width_px_max: int, quality: int) -> bytes:
    height, width = picture.shape[:2]
    if width > width_px_max:
        size = (width_px_max, max(1, round(height * width_px_max / width)))
        picture = np.asarray(cv2.resize(picture, size, interpolation=cv2.INTER_AREA), np.uint8)
    is_encoded, data = cv2.imencode(".jpg", picture, [cv2.IMWRITE_JPEG_QUALITY, quality])
    if not is_encoded:
        raise RuntimeError("OpenCV does not encode JPEG")
    return data.tobytes()
