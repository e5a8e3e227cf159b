"""The gateway as a process of its own, for its benchmark and its tests."""

import json
import os
import sqlite3
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import httpx
from devstack.processes import Command, Process

from devstack import ports

_READY_S = 60.0


class GatewayService:
    """`python -m edge_detector.gateway` with these settings; ports and outbox are picked here.

    Args:
        folder: Takes outbox, log and pid file.
        settings: Without the prefix MASKWATCH_, in small letters.
    """

    def __init__(self, folder: Path, settings: Mapping[str, object]) -> None:
        self.outbox_path = folder / "outbox.db"
        self.admin_port, self.port = ports.free(2)
        told = {
            "device_guid": "gw",
            "outbox_path": self.outbox_path,
            "admin_port": self.admin_port,
            "gateway_port": self.port,
            **settings,
        }
        env = {name: value for name, value in os.environ.items() if "MASKWATCH_" not in name}
        env |= {f"MASKWATCH_{name.upper()}": str(value) for name, value in told.items()}
        self._command = Command(
            name="gateway",
            argv=(sys.executable, "-m", "edge_detector.gateway"),
            folder=folder,
            env=env,
        )
        self.process: Process

    def begin(self) -> None:
        """Start it without waiting."""
        self.process = Process(self._command)

    def start(self) -> None:
        """Start it and wait until it is ready."""
        self.begin()
        self.process.wait_until(self.is_ready, timeout_s=_READY_S)

    def is_ready(self) -> bool:
        return self._status("/health/ready") == httpx.codes.OK

    def is_live(self) -> bool:
        return self._status("/health/live") == httpx.codes.OK

    def metric(self, name: str, **labels: str) -> float:
        """Return a metric of the gateway, summed over the labels that are not given."""
        text = httpx.get(f"http://{ports.LOOPBACK}:{self.admin_port}/metrics", timeout=10).text
        wanted = [f'{label}="{value}"' for label, value in labels.items()]
        return sum(
            float(line.rpartition(" ")[2])
            for line in text.splitlines()
            if line.partition("{")[0].partition(" ")[0] == f"edge_detector_{name}"
            and all(pair in line for pair in wanted)
        )

    def lines(self) -> list[dict[str, Any]]:
        """Return its log."""
        text = self._command.log_file.read_text(encoding="utf-8", errors="replace")
        return [json.loads(line) for line in text.splitlines() if line.startswith("{")]

    def alerts(self) -> list[tuple[str, str]]:
        """Return event id and device of each alert in the outbox, in order."""
        return self._rows("SELECT event_id, device_id FROM alert ORDER BY rowid")

    def device_events(self) -> list[tuple[str, str]]:
        """Return event id and kind of each device event in the outbox, in order."""
        return self._rows("SELECT event_id, kind FROM device_event ORDER BY position")

    def pictures(self) -> list[str]:
        """Return the format of each alert's picture in the outbox; empty without one."""
        rows = self._rows("SELECT image_format, length(image_data) FROM alert ORDER BY rowid")
        return [kind for kind, _ in rows]

    def _rows(self, query: str) -> list[tuple[str, str]]:
        connection = sqlite3.connect(self.outbox_path)
        try:
            return [(str(one), str(other)) for one, other in connection.execute(query)]
        finally:
            connection.close()

    def _status(self, path: str) -> int:
        try:
            return httpx.get(
                f"http://{ports.LOOPBACK}:{self.admin_port}{path}", timeout=5
            ).status_code
        except httpx.TransportError:
            return 0
