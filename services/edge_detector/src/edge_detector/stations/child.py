"""A reader's process: `python -m edge_detector.stations.child FD`.

It imports only what its camera needs: OpenCV and PyAV bring an FFmpeg each, and the two together
in one process are known to lock up (OpenCV issue 21952).
"""

import ctypes
import os
import signal
import socket
import sys
import threading
import traceback
from pathlib import Path

from maskwatch_runtime.clock import SystemClock

from edge_detector.sources.base import Source, SourceAway
from edge_detector.stations import wire

_PR_SET_PDEATHSIG = 1  # prctl(2)


def main(descriptor: int) -> None:
    """Read the camera that the station names on this socket and send its frames."""
    connection = socket.socket(fileno=descriptor)
    _end_with_the_parent(os.getppid())
    # Ctrl-C on a terminal reaches the whole group; it is the service that decides when to end.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        _read(connection)
    except (wire.Closed, ConnectionError):
        return  # the station has ended or wants no more
    except Exception as error:  # noqa: BLE001 - a bug has to reach the log, whatever it is
        wire.send_bug(connection, _where(error))


def _read(connection: socket.socket) -> None:
    source = opened(wire.receive_address(connection))
    try:
        for frame in source.frames(threading.Event()):
            wire.send_frame(connection, frame)
    except SourceAway as away:
        wire.send_away(connection, str(away))


def opened(address: wire.Address) -> Source:
    """Return the source that the address names, its library imported."""
    clock = SystemClock()
    if address.kind == "usb":
        from edge_detector.sources import usb  # noqa: PLC0415 - see above

        return usb.UsbSource(
            lambda: usb.open_camera(
                address.index, resolution_wh=address.resolution_wh, fps=address.fps
            ),
            fps=address.fps,
            clock=clock,
        )
    if address.kind == "pi":
        from edge_detector.sources import pi  # noqa: PLC0415 - the same

        return pi.PiSource(
            address.index, resolution_wh=address.resolution_wh, fps=address.fps, clock=clock
        )
    from edge_detector.sources import stream  # noqa: PLC0415 - the same

    timeouts = stream.Timeouts(address.open_s, address.read_s)
    return stream.StreamSource(address.address, fps=address.fps, clock=clock, timeouts=timeouts)


def _where(error: BaseException) -> str:
    """Return type and places of an error, without its text: that may hold the address."""
    places = traceback.extract_tb(error.__traceback__)
    at = " < ".join(f"{Path(place.filename).name}:{place.lineno}" for place in reversed(places))
    return f"{type(error).__name__} at {at}"


def _end_with_the_parent(parent: int) -> None:
    """Ask the kernel to end this process with the service, even when a read never returns."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:  # it ended between its fork and the line above
        os._exit(0)


if __name__ == "__main__":
    main(int(sys.argv[1]))
