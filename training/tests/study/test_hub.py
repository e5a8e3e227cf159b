"""The hub's own code against a hub on this machine."""

import os
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
import timm
from maskwatch_training.study import weights
from safetensors.torch import save

_LOADING = """
import torch
from maskwatch_training.study import weights
from maskwatch_training.study.backbones import BACKBONES
backbone = BACKBONES["mobilenetv2"]
for _ in range(2):
    network = backbone.build()
    source = weights.load(network, backbone, None)
    print(f"{source.origin}: {source.detail}: {float(next(network.parameters()).mean()):.4f}")
"""


class Hub(BaseHTTPRequestHandler):
    """Serves one weight file under every repository's name."""

    file = b""

    def do_HEAD(self) -> None:
        is_file = self.path.endswith((".safetensors", ".bin"))
        if is_file and not self.file:
            self.send_response(404)
            self.send_header("X-Error-Code", "EntryNotFound")
            self.send_header("Content-Length", "0")
            self.end_headers()
            return
        self.send_response(200)
        self.send_header("ETag", '"1"')
        self.send_header("X-Repo-Commit", "a" * 40)
        self.send_header("Content-Length", str(len(self.file) if is_file else 0))
        self.end_headers()

    def do_GET(self) -> None:
        self.do_HEAD()
        if self.file:
            self.wfile.write(self.file)

    def log_message(self, *_: object) -> None:
        """Stay silent."""


@pytest.fixture
def hub() -> Iterator[tuple[str, type[Hub]]]:
    handler = type("Served", (Hub,), {})
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_address[1]}", handler
        server.shutdown()


def _loaded(endpoint: str, home: Path) -> list[str]:
    done = subprocess.run(
        [sys.executable, "-c", _LOADING],
        env=os.environ | {"HF_ENDPOINT": endpoint, "HF_HOME": str(home), "HF_HUB_OFFLINE": "0"},
        capture_output=True,
        text=True,
        timeout=180,
        check=True,
    )
    return done.stdout.splitlines()


def test_weights_come_from_the_hub_once_and_are_kept(
    tmp_path: Path, hub: tuple[str, type[Hub]]
) -> None:
    state = timm.create_model("mobilenetv2_100", pretrained=False).state_dict()
    state["conv_stem.weight"].fill_(0.125)
    endpoint, served = hub
    served.file = save(state)
    first, second = _loaded(endpoint, tmp_path)
    assert first == "hub: timm mobilenetv2_100: 0.1250"
    assert second == "hub: timm mobilenetv2_100, kept from a former download: 0.1250"


def test_hub_without_the_file_is_a_reason_for_random_weights(
    tmp_path: Path, hub: tuple[str, type[Hub]]
) -> None:
    lines = _loaded(hub[0], tmp_path)
    assert all(line.startswith("random: hub: ") for line in lines)


def test_address_that_answers_is_reached(hub: tuple[str, type[Hub]]) -> None:
    assert weights.fault_at(hub[0]) == ""
    # No page there, but somebody who says so.
    assert weights.fault_at(f"{hub[0]}/model.safetensors") == ""


@pytest.mark.parametrize("endpoint", ["http://127.0.0.1:9", "nowhere", "http://name.invalid"])
def test_address_that_does_not_answer_says_why(endpoint: str) -> None:
    assert weights.fault_at(endpoint)


def test_hub_is_asked_once_and_in_seconds() -> None:
    begin = time.monotonic()
    first = weights.unreachable()
    asked_s = time.monotonic() - begin
    assert weights.unreachable() is first
    assert asked_s < 8
