"""A network camera of 1280 x 720 for benchmarks: `python -m benchmarks.edge.camera_server PORT`.

MJPEG by HTTP, encoded beforehand so that it costs next to nothing. It shows a room with a box that
moves, or one of `scenes`. SIGUSR1 freezes the picture, SIGUSR2 lets it go on; SIGSTOP makes it
stall, SIGKILL kills it.
"""

import argparse
import itertools
import signal
import threading
import time
from collections.abc import Callable, Sequence
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import FrameType

import cv2
import numpy as np
from edge_detector.vision.arrays import Picture

from benchmarks.edge import scenes

_PICTURES = 20
_QUALITY = 80
_KIND = "multipart/x-mixed-replace; boundary=frame"


def serve(port: int, pictures: Sequence[bytes], *, fps: float) -> None:
    """Show the pictures in turn until killed."""
    frozen = threading.Event()
    signal.signal(signal.SIGUSR1, _calls(frozen.set))
    signal.signal(signal.SIGUSR2, _calls(frozen.clear))

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.send_header("Content-Type", _KIND)
            self.end_headers()
            tick, shown, due_s = threading.Event(), pictures[0], time.monotonic()
            for picture in itertools.cycle(pictures):
                shown = shown if frozen.is_set() else picture
                head = (
                    f"--frame\r\nContent-Type: image/jpeg\r\nContent-Length: {len(shown)}\r\n\r\n"
                )
                try:
                    self.wfile.write(head.encode() + shown + b"\r\n")
                except OSError:
                    return
                due_s += 1 / fps
                tick.wait(max(0.0, due_s - time.monotonic()))

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


def _room(number: int) -> Picture:
    """Return a room with a sensor's noise, in which something moves."""
    noise = np.random.default_rng(number).normal(0, 2, (720, 1280, 3))
    room = np.linspace(60, 190, 1280)[None, :, None] + noise
    picture = np.clip(room, 0, 255).astype(np.uint8)
    left = 60 * number
    picture[200:420, left : left + 120] = (40, 90, 160)
    return picture


def _jpeg(picture: Picture) -> bytes:
    return cv2.imencode(".jpg", picture, [cv2.IMWRITE_JPEG_QUALITY, _QUALITY])[1].tobytes()


def main() -> None:
    """Serve until killed."""
    parser = argparse.ArgumentParser(prog="benchmarks.edge.camera_server", description=__doc__)
    parser.add_argument("port", type=int)
    parser.add_argument("--scene", choices=scenes.BY_NAME, help="by default a box that moves")
    parser.add_argument("--fps", type=float, default=10.0)
    chosen = parser.parse_args()
    if chosen.scene is None:
        pictures = [_jpeg(_room(number)) for number in range(_PICTURES)]
    else:
        clip = scenes.BY_NAME[chosen.scene](scenes.PERIOD_S)
        pictures = [_jpeg(frame.image_bgr) for frame in scenes.frames(clip, fps=chosen.fps)]
    serve(chosen.port, pictures, fps=chosen.fps)


if __name__ == "__main__":
    main()
