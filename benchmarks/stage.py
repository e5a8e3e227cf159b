"""A broker with topics full of alerts, a database, and the ingress service as it is deployed."""

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Iterable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from urllib.parse import urlsplit
from uuid import uuid4

import asyncpg
from aiokafka import AIOKafkaProducer
from aiokafka.admin import AIOKafkaAdminClient
from devstack.kafka import Kafka
from devstack.postgres import Postgres
from devstack.service import Service
from ingress.settings import IngressSettings
from maskwatch_proto import contract
from maskwatch_runtime.kafka import topics
from maskwatch_runtime.settings import KafkaSettings
from pydantic import SecretStr

from benchmarks import alerts, bare_archive
from benchmarks.alerts import Load
from benchmarks.resources import cpu_s, watched

_BATCH = 500
_STALLED_S = 60.0


@dataclass(frozen=True)
class Target:
    """A table whose numbers come from a sequence that nothing else draws from."""

    table: str
    sequence: str


ALERT = Target("public.alert", "public.alert_id_seq")
# How the archive step alone is started in the place of the service.
ARCHIVE_STEP = ("benchmarks.archive_step",)


@dataclass(frozen=True)
class Run:
    """How one side did.

    Attributes:
        seconds: For all messages.
        cpu_us: Microseconds of CPU an alert, of "writer", "postgres" and "kafka".
        rss_mb: Largest peak resident set of our processes, in MB.
    """

    seconds: float
    cpu_us: Mapping[str, float]
    rss_mb: float = 0.0


class Stage:
    """What a measurement of the archive step stands on; made by `prepared`."""

    def __init__(self, kafka: Kafka, postgres: Postgres, dsn: str, folder: Path) -> None:
        self.kafka = kafka
        self.postgres = postgres
        self.dsn = dsn
        self.folder = folder

    @classmethod
    async def prepared(cls, kafka: Kafka, postgres: Postgres, folder: Path) -> "Stage":
        """Make the topics anew and a database with our tables and the bare loop's."""
        dsn = await postgres.create_database(f"bench_{uuid4().hex[:8]}")
        stage = cls(kafka, postgres, dsn, folder)
        await stage.empty()
        stage.replica().step("migrate")
        await stage.execute(bare_archive.SCHEMA)
        return stage

    async def execute(self, statement: str) -> None:
        """Run SQL."""
        connection = await asyncpg.connect(self.dsn)
        await connection.execute(statement)
        await connection.close()

    async def empty(self) -> None:
        """Make the topics anew."""
        settings = KafkaSettings(kafka_bootstrap=self.kafka.bootstrap)
        admin = AIOKafkaAdminClient(bootstrap_servers=self.kafka.bootstrap)
        await admin.start()
        await admin.delete_topics([topics.ALERT, topics.NOTIFY])
        await admin.close()
        made: set[str] = set()
        while not made >= {topics.ALERT, topics.NOTIFY}:
            made |= set(await topics.create(settings, replication=1))
            await asyncio.sleep(0.2)  # a deleted topic's name is free a moment later

    async def fill(self, load: Load) -> None:
        """Put a load on the topic of alerts."""
        made = ((alert.device.guid, contract.encode(alert)) for alert in alerts.made(load))
        await self.publish(topics.ALERT, made)

    async def publish(self, topic: str, messages: Iterable[tuple[str, bytes]]) -> None:
        """Put messages (key, value) on a topic."""
        producer = AIOKafkaProducer(
            bootstrap_servers=self.kafka.bootstrap,
            acks="all",
            max_batch_size=256 * 1024,
            max_request_size=topics.MESSAGE_BYTES_MAX,
        )
        await producer.start()
        rest = iter(messages)
        while batch := list(islice(rest, _BATCH)):
            sent = [await producer.send(topic, value, key=key.encode()) for key, value in batch]
            await asyncio.gather(*sent)
        await producer.stop()

    async def truncate(self) -> None:
        """Empty our tables."""
        await self.execute(
            "TRUNCATE alert, image, notification_request; ALTER SEQUENCE alert_id_seq RESTART"
        )

    async def service(
        self, load: Load, *, replicas: int = 1, after: int = 1, launcher: tuple[str, ...] = ()
    ) -> Run:
        """Archive the topic with the service as deployed, or with what a launcher makes of it.

        Args:
            load: What is on the topic.
            replicas: Processes that share it.
            after: Time runs from so many rows on: starting processes are not what is compared.
            launcher: `ARCHIVE_STEP`, or nothing.
        """
        settings = self.settings()
        services = [self.replica(settings, number, launcher) for number in range(replicas)]
        async with self.timed(load.messages, after=after) as timing:
            for service in services:
                service.begin()
            pids = [service.process.pid for service in services]
            async with watched(*pids) as peak:
                await timing.finish(services[0].log, writers=pids)
        for service in services:
            service.stop()
        return Run(timing.seconds, timing.cpu_us, peak.rss_mb)

    async def bare(self, load: Load) -> float:
        """Return the seconds that the bare loop takes for all messages."""
        return await bare_archive.seconds(
            self.dsn,
            self.kafka.bootstrap,
            messages=load.messages,
            has_pictures=load.picture_bytes > 0,
        )

    @asynccontextmanager
    async def timed(
        self, messages: int, *, after: int, target: Target = ALERT
    ) -> AsyncIterator["Timing"]:
        """Lend what waits until a table has so many rows more than now."""
        watching = await asyncpg.connect(self.dsn)
        before = await watching.fetchval(f"SELECT count(*) FROM {target.table}")
        servers = {"postgres": self.postgres.process.pid, "kafka": self.kafka.process.pid}
        yield Timing(watching, target, Span(before, messages, after), servers)
        await watching.close()

    def settings(self) -> IngressSettings:
        """Return the settings of a new consumer group."""
        address = urlsplit(self.dsn)
        return IngressSettings(
            kafka_bootstrap=self.kafka.bootstrap,
            consumer_group=uuid4().hex,
            postgres_host=str(address.hostname),
            postgres_port=address.port or 0,
            postgres_database=address.path.lstrip("/"),
            postgres_user=str(address.username),
            postgres_password=SecretStr(str(address.password)),
            postgres_tls="disable",
        )

    def replica(
        self,
        settings: IngressSettings | None = None,
        number: int = 0,
        launcher: tuple[str, ...] = (),
    ) -> Service:
        """Return an ingress process that is not started yet."""
        chosen = settings or self.settings()
        variables = {
            f"MASKWATCH_{name.upper()}": str(value)
            for name, value in chosen.model_dump(exclude_defaults=True).items()
        }
        variables["MASKWATCH_POSTGRES_PASSWORD"] = chosen.postgres_password.get_secret_value()
        return Service(
            "ingress", self.folder, variables, label=f"ingress-{number}", launcher=launcher
        )


@dataclass(frozen=True)
class Span:
    """Rows: those of before, those that come, and how many of these have come when time begins."""

    before: int
    messages: int
    after: int


class Timing:
    """Seconds and CPU from a share of the rows to all of them, scaled to all, and to one."""

    def __init__(
        self,
        watching: asyncpg.Connection,
        target: Target,
        span: Span,
        servers: Mapping[str, int],
    ) -> None:
        self.seconds = 0.0
        self.cpu_us: Mapping[str, float] = {}
        self._watching = watching
        self._target = target
        self._span = span
        self._servers = servers

    async def finish(self, explain: Callable[[], str], *, writers: Iterable[int]) -> None:
        """Wait until all rows are there.

        Args:
            explain: Says what the writer says when none come.
            writers: Process numbers of who writes them.

        Raises:
            TimeoutError: For long none has come.
        """
        parties = {"writer": list(writers)} | {name: [pid] for name, pid in self._servers.items()}
        try:
            first, began_s = await self._reached(self._span.after)
            began = {name: cpu_s(pids) for name, pids in parties.items()}
            _, ended_s = await self._reached(self._span.messages)
        except TimeoutError as error:
            raise TimeoutError(f"{error}; {explain()}") from None
        timed = self._span.messages - first
        self.seconds = (ended_s - began_s) * self._span.messages / timed
        self.cpu_us = {
            name: (cpu_s(pids) - began[name]) / timed * 1e6 for name, pids in parties.items()
        }

    async def _reached(self, rows: int) -> tuple[int, float]:
        before = self._span.before
        # The sequence's last number costs nothing to read; counting rows would disturb.
        drawn = (
            f"SELECT CASE WHEN is_called THEN last_value ELSE 0 END FROM {self._target.sequence}"
        )
        count = f"SELECT count(*) FROM {self._target.table} WHERE id > {before}"
        newest, moved_s = -1, time.perf_counter()
        while True:
            found: int = await self._watching.fetchval(drawn) - before
            now_s = time.perf_counter()
            if found >= rows:
                found = await self._watching.fetchval(count)
                if found >= rows:
                    return found, now_s
            if found != newest:
                newest, moved_s = found, now_s
            elif now_s - moved_s > _STALLED_S:
                raise TimeoutError(f"{found} of {rows} rows, and none more for {_STALLED_S} s")
            await asyncio.sleep(0.02)
