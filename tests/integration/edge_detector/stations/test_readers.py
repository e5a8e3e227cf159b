"""Readers' processes on real servers, and what can be done to them."""

import contextlib
import os
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Callable
from typing import Any

import psutil
import pytest
from edge_detector.sources.base import Frame, SourceAway
from edge_detector.stations.reader import ProcessReader
from edge_detector.stations.wire import Address

_GIVE_UP_S = 60.0
Until = Callable[[Callable[[], object]], None]


def _stream(address: str, *, fps: float = 10) -> Address:
    return Address("stream", fps, address=address, open_s=20.0, read_s=20.0)


def _frame(reader: ProcessReader) -> Frame:
    frame = reader.read(timeout_s=_GIVE_UP_S)
    assert frame is not None
    return frame


def _away(reader: ProcessReader) -> str:
    reason = ""
    while not reason:
        try:
            assert reader.read(timeout_s=_GIVE_UP_S) is not None
        except SourceAway as away:
            reason = str(away)
    reader.close()
    return reason


@pytest.fixture
def silent_port() -> Any:
    """A server that accepts and never answers."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        yield listener.getsockname()[1]


def test_rtsp_camera_is_read(rtsp: Any) -> None:
    reader = ProcessReader(_stream(rtsp.address))

    first, second = _frame(reader), _frame(reader)

    assert first.image_bgr.shape == second.image_bgr.shape == (480, 640, 3)
    assert second.at_s > first.at_s
    assert (second.image_bgr != first.image_bgr).any()
    assert reader.close()


def test_rtsp_server_that_is_killed_is_away_and_comes_back(rtsp: Any) -> None:
    reader = ProcessReader(_stream(rtsp.address))
    _frame(reader)
    rtsp.kill()
    assert "the stream" in _away(reader)
    assert "cannot be opened" in _away(ProcessReader(_stream(rtsp.address)))

    rtsp.start()
    reader = ProcessReader(_stream(rtsp.address))
    _frame(reader)
    assert reader.close()


def test_mjpeg_camera_is_read_at_the_rate_asked_for(mjpeg: Any) -> None:
    server = mjpeg()
    reader = ProcessReader(_stream(server.address, fps=5))
    frames = [_frame(reader) for _ in range(6)]

    assert frames[0].image_bgr.shape == (240, 320, 3)
    assert frames[-1].at_s - frames[0].at_s > 0.7  # a second, were it exact
    assert reader.close()


def test_garbage_is_no_picture(mjpeg: Any) -> None:
    server = mjpeg()
    server.mode = "garbage"

    assert "the stream" in _away(ProcessReader(_stream(server.address)))


@pytest.mark.parametrize(
    "address",
    ["http://u:secret-word@127.0.0.1:9/x?key=secret-word", "rtsp://u:secret-word@127.0.0.1:9/x"],
)
def test_reason_never_tells_the_address(address: str) -> None:
    reason = _away(ProcessReader(_stream(address)))

    assert "cannot be opened: Connection refused" in reason
    assert "secret-word" not in reason


def test_playlist_may_not_name_a_file_of_this_machine(tmp_path: Any) -> None:
    playlist = tmp_path / "x.m3u8"
    playlist.write_text("#EXTM3U\n#EXTINF:1,\nfile:///etc/passwd\n#EXT-X-ENDLIST\n")
    with subprocess.Popen(
        [sys.executable, "-u", "-m", "http.server", "0", "--bind", "127.0.0.1"],
        cwd=tmp_path,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    ) as server:
        assert server.stdout is not None
        port = server.stdout.readline().split("port ")[1].split()[0]

        assert "the stream" in _away(ProcessReader(_stream(f"http://127.0.0.1:{port}/x.m3u8")))
        server.kill()


def test_address_stands_in_no_argument_and_no_environment(mjpeg: Any) -> None:
    server = mjpeg()
    address = server.address.replace("http://", "http://user:secret-word@")
    os.environ["MASKWATCH_SOURCE"] = address
    try:
        reader = ProcessReader(_stream(address))
        _frame(reader)
        process = psutil.Process(reader.pid)

        assert "secret-word" not in " ".join(process.cmdline())
        assert "secret-word" not in str(process.environ())
    finally:
        del os.environ["MASKWATCH_SOURCE"]
    assert reader.close()


def test_reader_that_never_returns_is_killed(silent_port: int, wait_until: Until) -> None:
    reader = ProcessReader(_stream(f"rtsp://127.0.0.1:{silent_port}/door"))
    assert reader.read(timeout_s=0.1) is None

    assert reader.close()
    wait_until(lambda: not psutil.pid_exists(reader.pid))


def test_reader_that_is_stopped_is_killed_as_well(mjpeg: Any) -> None:
    """SIGSTOP: as a C call that blocks, no Python code of the process runs any more."""
    reader = ProcessReader(_stream(mjpeg().address), silence_s=0.5)
    _frame(reader)
    os.kill(reader.pid, signal.SIGSTOP)

    # What it has sent before may still come, the last frame perhaps in half.
    with contextlib.suppress(SourceAway):
        while reader.read(timeout_s=0.2) is not None:
            pass
    assert reader.close()
    assert not psutil.pid_exists(reader.pid)


def test_reader_that_crashes_is_away_and_named(mjpeg: Any) -> None:
    reader = ProcessReader(_stream(mjpeg().address))
    _frame(reader)
    os.kill(reader.pid, signal.SIGSEGV)

    assert "the reader has ended: SIGSEGV" in _away(reader)


def test_usb_camera_that_is_not_there_is_away() -> None:
    assert _away(ProcessReader(Address("usb", 10, index=97))) == "camera 97 cannot be opened"


def test_pi_camera_without_its_library_is_away() -> None:
    assert "picamera2" in _away(ProcessReader(Address("pi", 10)))


def test_readers_end_with_the_process_that_started_them(
    silent_port: int, wait_until: Until
) -> None:
    program = (
        "import sys, time\n"
        "from edge_detector.stations.reader import ProcessReader\n"
        "from edge_detector.stations.wire import Address\n"
        f"address = Address('stream', 5, address='rtsp://127.0.0.1:{silent_port}/x')\n"
        "print(ProcessReader(address).pid, flush=True)\n"
        "time.sleep(600)\n"
    )
    with subprocess.Popen(
        [sys.executable, "-c", program], stdout=subprocess.PIPE, text=True
    ) as parent:
        assert parent.stdout is not None
        pid = int(parent.stdout.readline())
        assert psutil.pid_exists(pid)
        parent.kill()

    wait_until(lambda: not psutil.pid_exists(pid) or psutil.Process(pid).status() == "zombie")


def test_many_readers_can_be_opened_at_once(mjpeg: Any) -> None:
    server = mjpeg()
    readers = [ProcessReader(_stream(server.address)) for _ in range(3)]
    ended: list[bool] = []

    for reader in readers:
        _frame(reader)
    threads = [
        threading.Thread(target=lambda reader=reader: ended.append(reader.close()))
        for reader in readers
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert ended == [True] * 3
