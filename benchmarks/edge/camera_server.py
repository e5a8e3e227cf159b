"""A network camera of 1280 x 720 for benchmarks: `python -m benchmarks.edge.camera_server PORT`.

MJPEG by HTTP, ten frames a second, encoded beforehand so that it costs next to nothing. SIGUSR1
freezes the picture, SIGUSR2 lets it go on; SIGSTOP makes it stall, SIGKILL kills it.
"""

import itertools
import signal
import sys
import threading
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import FrameType

import cv2
import numpy as np

_PICTURES = 20
_PERIOD_S = 0.1
_KIND = "multipart/x-mixed-replace; boundary=frame"


def main(port: int) -> None:
    """Serve until killed."""
    pictures = [_jpeg(number) for number in range(_PICTURES)]
    frozen = threading.Event()
    signal.signal(signal.SIGUSR1, _calls(frozen.set))
    signal.signal(signal.SIGUSR2, _calls(frozen.clear))

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.send_header("Content-Type", _KIND)
            self.end_headers()
            tick, shown = threading.Event(), pictures[0]
            for picture in itertools.cycle(pictures):
                shown = shown if frozen.is_set() else picture
                head = (
                    f"--frame\r\nContent-Type: image/jpeg\r\nContent-Length: {len(shown)}\r\n\r\n"
                )
                try:
                    self.wfile.write(head.encode() + shown + b"\r\n")
                except OSError:
                    return
                tick.wait(_PERIOD_S)

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", port), Handler)
    server.daemon_threads = True
    print("listening", flush=True)
    server.serve_forever()


def _calls(what: Callable[[], None]) -> Callable[[int, FrameType | None], None]:
    def handler(_: int, __: FrameType | None) -> None:
        what()

    return handler


def _jpeg(number: int) -> bytes:
    """Return a room with a sensor's noise, in which something moves."""
    noise = np.random.default_rng(number).normal(0, 2, (720, 1280, 3))
    room = np.linspace(60, 190, 1280)[None, :, None] + noise
    picture = np.clip(room, 0, 255).astype(np.uint8)
    left = 60 * number
    picture[200:420, left : left + 120] = (40, 90, 160)
    return cv2.imencode(".jpg", picture, [cv2.IMWRITE_JPEG_QUALITY, 80])[1].tobytes()


if __name__ == "__main__":
    main(int(sys.argv[1]))
