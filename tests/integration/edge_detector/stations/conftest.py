"""Real servers of moving pictures: RTSP by GStreamer, MJPEG by HTTP."""

import shutil
import socket
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import cv2
import numpy as np
import pytest

_GIVE_UP_S = 60.0
_BOUNDARY = "frame"


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return int(listener.getsockname()[1])


def until(condition: Callable[[], object]) -> None:
    """Wait until something has happened."""
    deadline_s = time.monotonic() + _GIVE_UP_S
    while not condition():
        assert time.monotonic() < deadline_s
        time.sleep(0.02)  # between two looks, not a guess how long it takes


class RtspServer:
    """A process that serves a test picture; it can be killed, stopped and started again."""

    def __init__(self, python: str) -> None:
        self._python = python
        self.port = free_port()
        self.process: subprocess.Popen[str] | None = None

    @property
    def address(self) -> str:
        return f"rtsp://127.0.0.1:{self.port}/door"

    def start(self, pattern: str = "ball") -> None:
        script = Path(__file__).with_name("rtsp_server.py")
        self.process = subprocess.Popen(
            [self._python, str(script), str(self.port), pattern],
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
        )
        assert self.process.stdout is not None
        assert self.process.stdout.readline().startswith("listening")

    def kill(self) -> None:
        if self.process is not None:
            self.process.kill()
            self.process.communicate()


def _python_with_gstreamer() -> str | None:
    python = shutil.which("python3", path="/usr/bin:/usr/local/bin")
    if python is None:
        return None
    asks = (
        "import gi; gi.require_version('GstRtspServer', '1.0')\n"
        "from gi.repository import Gst, GstRtspServer\n"
        "Gst.init(None); assert Gst.ElementFactory.find('x264enc')"
    )
    done = subprocess.run([python, "-c", asks], capture_output=True, check=False)
    return python if done.returncode == 0 else None


@pytest.fixture
def rtsp() -> Iterator[RtspServer]:
    python = _python_with_gstreamer()
    if python is None:
        pytest.skip(
            "no RTSP server: apt install python3-gi gir1.2-gst-rtsp-server-1.0"
            " gstreamer1.0-plugins-{good,bad,ugly}"
        )
    server = RtspServer(python)
    server.start()
    yield server
    server.kill()


class MjpegServer:
    """Serves numbered JPEGs as a network camera does; what it does can be changed at any moment.

    Attributes:
        mode: `live`: the picture changes; `frozen`: it does not; `silent`: nothing comes;
            `garbage`: what is sent is no JPEG.
        asked: Paths that were asked for.
    """

    def __init__(self) -> None:
        self.mode = "live"
        self.asked: list[str] = []
        self._closing = threading.Event()
        owner = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                owner.asked.append(self.path)
                self.send_response(200)
                kind = f"multipart/x-mixed-replace; boundary={_BOUNDARY}"
                self.send_header("Content-Type", kind)
                self.end_headers()
                try:
                    owner.send(self)
                except OSError:
                    return  # whoever watched has gone

            def log_message(self, *_: object) -> None:
                """Say nothing."""

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self._thread = threading.Thread(target=self._server.serve_forever)
        self._thread.start()

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self._server.server_port}/video"

    def send(self, handler: BaseHTTPRequestHandler) -> None:
        number = 0
        while not self._closing.wait(0.05):
            if self.mode == "silent":
                continue
            number += self.mode != "frozen"
            data = b"no picture" * 100 if self.mode == "garbage" else _jpeg(number)
            head = f"--{_BOUNDARY}\r\nContent-Type: image/jpeg\r\nContent-Length: {len(data)}\r\n"
            handler.wfile.write(head.encode() + b"\r\n" + data + b"\r\n")

    def close(self) -> None:
        self._closing.set()
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


def _jpeg(number: int) -> bytes:
    picture = np.full((240, 320, 3), 90, np.uint8)
    picture[:, : 8 * (number % 40)] = (200, 30, 120)
    picture[:40] += np.random.default_rng(number).integers(0, 9, (40, 320, 3), dtype=np.uint8)
    return cv2.imencode(".jpg", picture)[1].tobytes()


@pytest.fixture
def mjpeg() -> Iterator[Callable[[], MjpegServer]]:
    servers: list[MjpegServer] = []

    def start() -> MjpegServer:
        servers.append(MjpegServer())
        return servers[-1]

    yield start
    for server in servers:
        server.close()


@pytest.fixture
def wait_until() -> Callable[[Callable[[], object]], None]:
    return until
