"""A real RTSP server of one test picture, for the operating system's Python: it has GStreamer.

`python3 rtsp_server.py PORT PATTERN`: PATTERN as videotestsrc's (`ball` moves, `solid-color` is
one colour); H.264 and 25 frames a second of 640 x 480, live, by TCP or UDP.
"""

import sys
from importlib import import_module
from typing import Any

_SIZE = "width=640,height=480,framerate=25/1"


def main(port: str, pattern: str) -> None:
    """Serve until killed; says when it listens."""
    # Not there where the tests run: only the operating system's Python has it.
    gi: Any = import_module("gi")
    gi.require_version("Gst", "1.0")
    gi.require_version("GstRtspServer", "1.0")
    names = ("GLib", "Gst", "GstRtspServer")
    glib, gst, rtsp = (import_module(f"gi.repository.{name}") for name in names)
    gst.init(None)
    server = rtsp.RTSPServer()
    server.set_address("127.0.0.1")
    server.set_service(port)
    factory = rtsp.RTSPMediaFactory()
    factory.set_launch(
        f"( videotestsrc is-live=true pattern={pattern} ! video/x-raw,{_SIZE}"
        " ! x264enc tune=zerolatency speed-preset=ultrafast key-int-max=25 bitrate=1000"
        " ! rtph264pay name=pay0 pt=96 )"
    )
    factory.set_shared(True)
    server.get_mount_points().add_factory("/door", factory)
    server.attach(None)
    sys.stdout.write(f"listening {server.get_bound_port()}\n")
    sys.stdout.flush()
    glib.MainLoop().run()


main(*sys.argv[1:])
