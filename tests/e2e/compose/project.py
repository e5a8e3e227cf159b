"""A compose project of its own beside a running one, on ports that are free."""

import json
import os
import shutil
import socket
import subprocess
import sys
import urllib.request
from pathlib import Path
from typing import Any

import psycopg
from aiokafka import AIOKafkaConsumer

ROOT = Path(__file__).parents[3]
_OUTBOX_IDS = (
    "import sqlite3; c = sqlite3.connect('/var/lib/maskwatch/outbox.sqlite');"
    "print(*(row[0] for row in c.execute('SELECT event_id FROM alert')))"
)


class DockerError(RuntimeError):
    pass


class Project:
    """The compose project under test, and the ports that it publishes on this machine."""

    def __init__(self, *, supplied: Path) -> None:
        self.name = f"maskwatch-check-{os.getpid()}"
        self.kafka_port, self.postgres_port, self.mailpit_port, *others = _free_ports(5)
        self.page_port, self.gateway_port = others
        self._docker = shutil.which("docker") or sys.exit("docker is needed and not installed")
        self._environment = os.environ | {
            "COMPOSE_PROJECT_NAME": self.name,
            "COMPOSE_PROFILES": "gateway",
            "MASKWATCH_PAGE_PORT": str(self.page_port),
            "MASKWATCH_GATEWAY_PORT": str(self.gateway_port),
            "MASKWATCH_KAFKA_PORT": str(self.kafka_port),
            "MASKWATCH_POSTGRES_PORT": str(self.postgres_port),
            "MASKWATCH_MAILPIT_PORT": str(self.mailpit_port),
            "MASKWATCH_SECRETS": str(supplied),
            "MASKWATCH_COOLDOWN_MINUTES": "0",  # a mail for every alert
        }

    def run(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """Run docker, however it ends."""
        return subprocess.run(
            [self._docker, *arguments],
            cwd=ROOT,
            env=self._environment,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
        )

    def docker(self, *arguments: str) -> str:
        """Run docker and return what it printed.

        Raises:
            DockerError: It failed; the message is the end of what it said.
        """
        done = self.run(*arguments)
        if done.returncode:
            command = " ".join(arguments)
            raise DockerError(f"docker {command}: {done.returncode}: {done.stderr[-2000:]}")
        return done.stdout

    def compose(self, *arguments: str) -> str:
        return self.docker("compose", *arguments)

    def container(self, service: str) -> dict[str, Any]:
        """Return what docker says of the service's container."""
        identity = self.compose("ps", "--all", "--quiet", service).split()[0]
        found: list[dict[str, Any]] = json.loads(self.docker("inspect", identity))
        return found[0]

    def mails(self) -> list[dict[str, Any]]:
        """Return the inbox, newest first; empty while it cannot be asked."""
        try:
            inbox: dict[str, Any] = json.loads(self.fetch("messages?limit=1000"))
        except OSError:
            return []
        return list(inbox["messages"])

    def fetch(self, path: str) -> bytes:
        """Return what Mailpit's API says."""
        url = f"http://127.0.0.1:{self.mailpit_port}/api/v1/{path}"
        with urllib.request.urlopen(url, timeout=5) as response:
            content: bytes = response.read()
        return content

    def archived(self, *, camera: str | None = None) -> list[str]:
        """Return the event id of every archived alert, or of a camera's, by the published port."""
        password = self.compose("exec", "-T", "postgres", "cat", "/run/secrets/owner/password")
        with psycopg.connect(
            host="127.0.0.1",
            port=self.postgres_port,
            dbname="maskwatch",
            user="maskwatch",
            password=password.strip(),
        ) as connection:
            rows = connection.execute("SELECT event_id, camera FROM alert").fetchall()
        return [str(row[0]) for row in rows if camera in (None, row[1])]

    def outbox(self) -> list[str]:
        """Return the event id of every alert that the detector has made."""
        return self.compose("exec", "-T", "dispatcher", "python", "-c", _OUTBOX_IDS).split()

    async def published(self) -> int:
        """Count the messages on alert-topic, asked over the published port."""
        servers = f"127.0.0.1:{self.kafka_port}"
        async with AIOKafkaConsumer("alert-topic", bootstrap_servers=servers) as consumer:
            return sum((await consumer.end_offsets(consumer.assignment())).values())


def _free_ports(count: int) -> list[int]:
    listeners = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
    ports = [listener.getsockname()[1] for listener in listeners]
    for listener in listeners:
        listener.close()
    return ports
