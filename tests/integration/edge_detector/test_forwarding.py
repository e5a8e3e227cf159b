"""The detector itself forwards what it stores to a cloud's HTTP API."""

import json
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import cv2
import pytest
from edge_detector.vision.arrays import Picture

from tests.integration.edge_detector.conftest import Service


@pytest.fixture
def cloud() -> Iterator[tuple[str, list[dict[str, Any]]]]:
    """An address, and what was posted to it."""
    posted: list[dict[str, Any]] = []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            posted.append(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
            self.send_response(204)
            self.end_headers()

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{server.server_address[1]}/events", posted
    server.shutdown()
    thread.join()
    server.server_close()


def test_everything_that_is_stored_arrives_in_the_cloud_as_well(
    service: Callable[..., Service],
    cloud: tuple[str, list[dict[str, Any]]],
    astronaut: Picture,
    tmp_path: Path,
) -> None:
    url, posted = cloud
    assert cv2.imwrite(str(tmp_path / "portrait.png"), astronaut)
    running = service(
        tmp_path / "portrait.png", forward_url=url, forward_queue_path=str(tmp_path / "cloud.db")
    )
    running.log("listen")
    running.until(lambda: len(running.stored()) >= 3 and len(posted) >= len(running.stored()))

    assert running.stop() == 0

    stored = {str(event.event_id) for event in running.stored()}
    assert len(running.alerts()) == 1
    assert {event["event_id"] for event in posted} <= stored
    assert {str(alert.event_id) for alert in running.alerts()} < {e["event_id"] for e in posted}
