"""All stations of a device together."""

import threading
import time
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Self

from edge_detector.sources.pushed import PushedSource
from edge_detector.stations.station import Station

_JOIN_S = 3.0


class Condition(StrEnum):
    """How a camera does."""

    UP = "up"
    DOWN = "down"
    STOPPED = "stopped"
    ENDED = "ended"


@dataclass(frozen=True, slots=True)
class Post:
    """A station and, where its frames are brought, what they are brought to."""

    station: Station
    source: PushedSource | None = None


class Roster:
    """Starts and stops the cameras by name.

    Args:
        posts: Names differ.
        ending: Is set when every station is to end.
    """

    def __init__(self, posts: Iterable[Post] = (), ending: threading.Event | None = None) -> None:
        # Never changed but replaced: other threads look at it.
        self._posts: Mapping[str, Post] = {post.station.name: post for post in posts}
        self._ending = ending or threading.Event()
        self._has_begun = False

    @property
    def ending(self) -> threading.Event:
        """Set once every station is to end."""
        return self._ending

    def join(self, posts: Iterable[Post]) -> None:
        """Take stations in, and begin them if the others have begun."""
        joining = {post.station.name: post for post in posts}
        self._posts = {**self._posts, **joining}
        if self._has_begun and not self._ending.is_set():
            for post in joining.values():
                post.station.begin()

    def leave(self, names: Collection[str]) -> None:
        """End the stations of these names, and wait until each has let go of its camera."""
        leaving = [self._posts[name].station for name in names]
        self._posts = {name: post for name, post in self._posts.items() if name not in names}
        _end(leaving)

    def __iter__(self) -> Iterator[Station]:
        return iter([post.station for post in self._posts.values()])

    def __enter__(self) -> Self:
        self._has_begun = True
        for station in self:
            station.begin()
        return self

    def __exit__(self, *_: object) -> None:
        self._ending.set()
        _end(list(self))

    def start(self, camera: str) -> None:
        """Read a camera again.

        Raises:
            KeyError: There is no camera of this name.
        """
        self._posts[camera].station.resume()

    def stop(self, camera: str) -> None:
        """Stop reading a camera, and let go of it, until it is started again.

        Raises:
            KeyError: There is no camera of this name.
        """
        self._posts[camera].station.pause()

    def pushed(self, camera: str) -> PushedSource | None:
        """Return what a camera's frames are brought to; None when it is read.

        Raises:
            KeyError: There is no camera of this name.
        """
        return self._posts[camera].source

    def condition(self, camera: str) -> tuple[Condition, str]:
        """Return how a camera does, and what is wrong with it.

        Raises:
            KeyError: There is no camera of this name.
        """
        station = self._posts[camera].station
        if not station.is_wanted:
            return Condition.STOPPED, ""
        if station.fault:
            return Condition.DOWN, station.fault
        return (Condition.ENDED if station.has_ended else Condition.UP), ""


def _end(stations: Collection[Station]) -> None:
    for station in stations:
        station.end()
    # All of them together: they end side by side.
    due_s = time.monotonic() + _JOIN_S
    for station in stations:
        station.join(timeout_s=max(0.0, due_s - time.monotonic()))
