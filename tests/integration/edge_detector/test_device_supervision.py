"""The service beside a socket like systemd's."""

import socket
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import cv2
import pytest
from edge_detector.vision.arrays import Picture


@pytest.fixture
def systemd(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[socket.socket]:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as listening:
        listening.bind(str(tmp_path / "notify"))
        listening.settimeout(60)
        monkeypatch.setenv("NOTIFY_SOCKET", str(tmp_path / "notify"))
        monkeypatch.setenv("WATCHDOG_USEC", "300000")
        yield listening


def test_systemd_hears_that_the_service_is_ready_lives_and_stops(
    service: Callable[..., Any], systemd: socket.socket, tmp_path: Path, astronaut: Picture
) -> None:
    assert cv2.imwrite(str(tmp_path / "portrait.png"), astronaut)
    running = service(tmp_path / "portrait.png")

    assert systemd.recv(4096) == b"READY=1"
    running.log("end")
    assert systemd.recv(4096) == b"WATCHDOG=1"
    assert running.stop() == 0
    heard = b""
    while heard != b"STOPPING=1":
        heard = systemd.recv(4096)
