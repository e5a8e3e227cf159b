"""What a station reads from: a process that can be killed, a file, or frames that are brought."""

import contextlib
import os
import select
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from typing import Protocol

import structlog

from edge_detector.sources.base import Frame, Source, SourceAway, Stop
from edge_detector.sources.pushed import PushedSource
from edge_detector.stations import wire

_CHILD = "edge_detector.stations.child"
_log = structlog.get_logger()


class SourceEnded(Exception):  # noqa: N818 - named for what has happened
    """A file or a folder has been read to its end."""


class Reader(Protocol):
    """One opening of a source."""

    def read(self, *, timeout_s: float) -> Frame | None:
        """Return the next frame, None when none came in time.

        Raises:
            SourceAway: Nothing will come any more; a new reader may help.
            SourceEnded: The source is over.
        """
        ...

    def close(self) -> bool:
        """End it; return whether it is gone, and with it its hold on the camera."""
        ...


class ProcessReader:
    """A camera read by a process of its own.

    A read that never returns cannot be ended in a thread, and holds the device: a process is
    killed, and the kernel takes the device back. What a broken stream crashes is the process too.

    Args:
        address: What it reads.
        silence_s: A process that stops in the middle of a frame for so long is away.
        end_s: How long it gets to close the camera by itself before it is killed.
    """

    def __init__(
        self, address: wire.Address, *, silence_s: float = 5.0, end_s: float = 0.5
    ) -> None:
        self._end_s = end_s
        ours, theirs = socket.socketpair()
        ours.settimeout(silence_s)
        self._connection = ours
        with theirs:
            self._process = _started(theirs)
        # The socket's buffer takes it, whether the process is ready or not.
        with contextlib.suppress(ConnectionError):  # it is over already: `read` says so
            wire.send_address(ours, address)

    @property
    def pid(self) -> int:
        return self._process.pid

    def read(self, *, timeout_s: float) -> Frame | None:
        readable, _, _ = select.select([self._connection], [], [], max(0.0, timeout_s))
        if not readable:
            return None
        try:
            said = wire.receive(self._connection)
        except wire.Closed:
            raise SourceAway(f"the reader has ended: {self._end()}") from None
        except TimeoutError:
            raise SourceAway("the reader stopped in the middle of a frame") from None
        if isinstance(said, wire.Bug):
            _log.error("the reader failed", action="read", reason=said.where)
            raise SourceAway(f"the reader failed: {said.where}")
        if isinstance(said, wire.Away):
            raise SourceAway(said.reason)
        return said

    def close(self) -> bool:
        # It notices at its next frame; one that waits for the camera does not, and is killed.
        self._connection.close()
        try:
            self._process.wait(self._end_s)
        except subprocess.TimeoutExpired:
            self._process.kill()
        try:
            self._process.wait(self._end_s)
        except subprocess.TimeoutExpired:
            return False  # in the kernel, as with a broken USB driver: not even SIGKILL ends it
        return True

    def _end(self) -> str:
        try:
            code = self._process.wait(self._end_s)
        except subprocess.TimeoutExpired:
            return "it closed its connection"
        return f"exit code {code}" if code >= 0 else signal.Signals(-code).name


def _started(connection: socket.socket) -> "subprocess.Popen[bytes]":
    try:
        return subprocess.Popen(  # noqa: S603 - this very program
            [sys.executable, "-m", _CHILD, str(connection.fileno())],
            pass_fds=(connection.fileno(),),
            stdin=subprocess.DEVNULL,
            # FFmpeg writes addresses, and with them passwords, wherever it can.
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            env=_environment(),
        )
    except OSError as error:  # no memory or no process left
        raise SourceAway(f"no process can be started: {error.strerror}") from error


def _environment() -> dict[str, str]:
    """Return the environment without the service's settings: secrets stay where they are needed."""
    return {name: value for name, value in os.environ.items() if not name.startswith("MASKWATCH_")}


class FileReader:
    """A file or a folder, read by the station's thread; every frame of it."""

    def __init__(self, source: Source, stop: Stop) -> None:
        self._frames: Iterator[Frame] = source.frames(stop)

    def read(self, *, timeout_s: float) -> Frame | None:  # noqa: ARG002 - the file is there
        frame = next(self._frames, None)
        if frame is None:
            raise SourceEnded
        return frame

    def close(self) -> bool:
        return True


class PushedReader:
    """Frames that are brought."""

    def __init__(self, source: PushedSource) -> None:
        self._source = source

    def read(self, *, timeout_s: float) -> Frame | None:
        return self._source.take(timeout_s=timeout_s)

    def close(self) -> bool:
        return True
