"""The archive step beside Debezium's JDBC sink on the same alerts, in interleaved rounds.

Debezium reads the alerts from a topic of its own, in its own form (`structured`), with the same
keys on the same number of partitions, and upserts them by event id, so that a redelivery makes no
second row. Its table has the columns and indexes of `alert` and those of `image` in one: one row
for an alert where ours are two, and a third for the notification.
PostgreSQL is the same and commits as durably for both.

What is judged is the archive step (`benchmarks.archive_step`), since a sink publishes nothing: one
process beside one task, and beside three tasks as many as archive most. The service as deployed,
which publishes the requests for notifications besides, stands beside it without a promise.
"""

import statistics
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit
from uuid import uuid4

from devstack.kafka import Kafka, Topic
from devstack.postgres import Postgres

from benchmarks import alerts
from benchmarks.alerts import Load
from benchmarks.bars import Bar, beside
from benchmarks.debezium import structured
from benchmarks.debezium.worker import Worker
from benchmarks.stage import ARCHIVE_STEP, Run, Stage, Target

_TOPIC = "structured-alert-topic"
_PARTITIONS = 6  # as alert-topic
_TARGET = Target("debezium.alert", "debezium.alert_id_seq")
_SCHEMA = """
CREATE SCHEMA debezium;
CREATE TABLE debezium.alert (
    LIKE public.alert INCLUDING ALL, format varchar, width integer, height integer, data bytea);
CREATE SEQUENCE debezium.alert_id_seq;
ALTER TABLE debezium.alert
    ALTER COLUMN id SET DEFAULT nextval('debezium.alert_id_seq'),
    ALTER COLUMN data SET STORAGE EXTERNAL;
"""
_TRUNCATE = "TRUNCATE debezium.alert; ALTER SEQUENCE debezium.alert_id_seq RESTART"


@dataclass(frozen=True)
class SetUp:
    """One way to set the connector up.

    Attributes:
        name: For the table.
        tasks: Threads that archive.
        carries_schema: Whether each message has its schema with it, as Connect expects it; the
            ratio to the faster form without it is shown, not promised.
    """

    name: str
    tasks: int
    carries_schema: bool

    @property
    def config(self) -> dict[str, str]:
        """What is set beside the address, the user and the form of the messages."""
        batched = {"batch.size": "2000", "consumer.override.max.poll.records": "2000"}
        return {"tasks.max": str(self.tasks)} | (batched if self.tasks > 1 else {})

    @property
    def url_options(self) -> str:
        """What stands behind the database's address."""
        return "?reWriteBatchedInserts=true" if self.tasks > 1 else ""


@dataclass(frozen=True)
class Ours:
    """What stands beside it: so many processes of the archive step or of the whole service."""

    processes: int
    launcher: tuple[str, ...] = ARCHIVE_STEP

    @property
    def name(self) -> str:
        what = "archive step" if self.launcher else "service"
        return f"{what} x {self.processes}"


SET_UPS = (
    SetUp("as documented", 1, carries_schema=True),
    SetUp("batched, 3 tasks", 3, carries_schema=True),
    SetUp("as documented, schema apart", 1, carries_schema=False),
    SetUp("batched, 3 tasks, schema apart", 3, carries_schema=False),
)
STEPS = (Ours(1), Ours(2), Ours(3))
SERVICES = (Ours(1, ()), Ours(3, ()))


@dataclass(frozen=True)
class Part:
    """What both archive, and the least ratio of the step to one task, and to the batched three."""

    name: str
    load: Load
    floors: Mapping[int, float]


PARTS = (
    Part("pictures", Load("40 KB", 40_000, 12_000), {1: 2.5, 3: 1.5}),
    Part("metadata", Load("metadata", 0, 200_000), {1: 2.0, 3: 1.0}),
)


async def measure(kafka: Kafka, postgres: Postgres, part: Part, *, rounds: int) -> list[Bar]:
    """Return rates in alerts/s, medians of interleaved rounds after one that does not count."""
    with tempfile.TemporaryDirectory(prefix="maskwatch-") as name:
        worker = Worker(Path(name) / "connect", kafka.bootstrap)
        worker.start()
        try:
            stage = await Stage.prepared(kafka, postgres, Path(name))
            comparison = Comparison(stage, worker, part.load)
            await comparison.prepare()
            return await _rates(comparison, part, rounds)
        finally:
            worker.stop()


async def _rates(comparison: "Comparison", part: Part, rounds: int) -> list[Bar]:
    ours: dict[Ours, list[Run]] = {each: [] for each in (*STEPS, *SERVICES)}
    theirs: dict[SetUp, list[Run]] = {set_up: [] for set_up in SET_UPS}
    for number in range(1 + rounds):  # the first warms the servers and compiles the connector
        print(f"{part.name}, {f'round {number}' if number else 'warming'}", flush=True)
        for each, runs in ours.items():
            runs.append(_shown(each.name, await comparison.ours(each), part.load))
        for set_up, runs in theirs.items():
            runs.append(_shown(set_up.name, await comparison.theirs(set_up), part.load))
    table = Table(
        part,
        {each: Figures.of(runs[1:], part.load) for each, runs in ours.items()},
        {set_up: Figures.of(runs[1:], part.load) for set_up, runs in theirs.items()},
    )
    return table.bars()


def _shown(name: str, run: Run, load: Load) -> Run:
    """Print how a run went, and return it."""
    cpu_us = ", ".join(f"{party} {used:.1f}" for party, used in run.cpu_us.items())
    rate = load.messages / run.seconds
    print(f"  {name:32} {rate:>9,.0f} alerts/s; us of CPU an alert: {cpu_us}", flush=True)
    return run


@dataclass(frozen=True)
class Figures:
    """Medians of some runs: alerts a second, and microseconds of CPU an alert of all parties."""

    rate: float
    cpu_us: float

    @classmethod
    def of(cls, runs: Sequence[Run], load: Load) -> "Figures":
        return cls(
            load.messages / statistics.median(run.seconds for run in runs),
            statistics.median(sum(run.cpu_us.values()) for run in runs),
        )


@dataclass(frozen=True)
class Table:
    """What was measured of one part, as bars: what is promised, then what is shown beside it."""

    part: Part
    ours: Mapping[Ours, Figures]
    theirs: Mapping[SetUp, Figures]

    def bars(self) -> list[Bar]:
        promised = [self._promised(set_up) for set_up in SET_UPS if set_up.carries_schema]
        steps = [self._shown(self._step(set_up), set_up) for set_up in SET_UPS[2:]]
        services = [
            self._shown(service, set_up)
            for set_up in SET_UPS
            for service in SERVICES
            if service.processes == set_up.tasks
        ]
        alone = [
            Bar(f"{self.part.name}: {each.name}", self.ours[each].rate, "alerts/s")
            for each in STEPS
        ]
        return [*promised, *steps, *services, *alone, *map(self._cpu, SET_UPS)]

    def _step(self, set_up: SetUp) -> Ours:
        """Return what is beside it: one process beside one task, else as many as serve best."""
        if set_up.tasks == 1:
            return STEPS[0]
        return max(STEPS, key=lambda step: self.ours[step].rate)

    def _promised(self, set_up: SetUp) -> Bar:
        step = self._step(set_up)
        return beside(
            self._title(step, set_up),
            self.ours[step].rate,
            self.theirs[set_up].rate,
            unit="alerts/s",
            floor=self.part.floors[set_up.tasks],
        )

    def _shown(self, each: Ours, set_up: SetUp) -> Bar:
        rate, peer = self.ours[each].rate, self.theirs[set_up].rate
        return Bar(self._title(each, set_up), rate, "alerts/s", peer, rate / peer)

    def _cpu(self, set_up: SetUp) -> Bar:
        step = self._step(set_up)
        cpu_us, peer_us = self.ours[step].cpu_us, self.theirs[set_up].cpu_us
        title = f"{self._title(step, set_up)}, CPU of all"
        return Bar(title, cpu_us, "us/alert", peer_us, cpu_us / peer_us)

    def _title(self, each: Ours, set_up: SetUp) -> str:
        return f"{self.part.name}: {each.name}; {set_up.name}"


class Comparison:
    """Both sides on one load."""

    def __init__(self, stage: Stage, worker: Worker, load: Load) -> None:
        self._stage = stage
        self._worker = worker
        self._load = load
        self._after = load.messages // 5
        self._schema = structured.schema(has_picture=load.picture_bytes > 0)

    async def prepare(self) -> None:
        """Fill the topics and make the connector's table."""
        await self._stage.execute(_SCHEMA)
        await self._stage.fill(self._load)
        for carries_schema in (True, False):
            topic = self._topic(carries_schema=carries_schema)
            await self._stage.kafka.create_topics([Topic(name=topic, partitions=_PARTITIONS)])
            await self._stage.publish(topic, self._messages(carries_schema=carries_schema))

    def _messages(self, *, carries_schema: bool) -> Iterator[tuple[str, bytes]]:
        for alert in alerts.made(self._load):
            value = structured.encode(alert)
            if carries_schema:
                value = structured.with_schema(value, self._schema)
            yield alert.device.guid, value

    def _topic(self, *, carries_schema: bool) -> str:
        return f"{_TOPIC}-{self._load.picture_bytes}-{'whole' if carries_schema else 'values'}"

    async def ours(self, each: Ours) -> Run:
        """Archive all messages with processes of ours."""
        await self._empty()
        return await self._stage.service(
            self._load, replicas=each.processes, after=self._after, launcher=each.launcher
        )

    async def theirs(self, set_up: SetUp) -> Run:
        """Archive all messages with the connector."""
        await self._empty()
        name = f"debezium-{uuid4().hex[:8]}"
        timed = self._stage.timed(self._load.messages, after=self._after, target=_TARGET)
        async with timed as timing:
            with self._worker.connector(name, self._config(set_up)):
                await timing.finish(
                    lambda: self._worker.failure(name), writers=[self._worker.process.pid]
                )
        return Run(timing.seconds, timing.cpu_us)

    async def _empty(self) -> None:
        await self._stage.execute(_TRUNCATE)
        await self._stage.truncate()
        await self._stage.execute("CHECKPOINT")  # what one has written must not slow the next

    def _config(self, set_up: SetUp) -> dict[str, str]:
        address = urlsplit(self._stage.dsn)
        place = f"{address.hostname}:{address.port}{address.path}"
        return {
            "connector.class": "io.debezium.connector.jdbc.JdbcSinkConnector",
            "topics": self._topic(carries_schema=set_up.carries_schema),
            "connection.url": f"jdbc:postgresql://{place}{set_up.url_options}",
            "connection.username": str(address.username),
            "connection.password": str(address.password),
            "insert.mode": "upsert",
            "primary.key.mode": "record_value",
            "primary.key.fields": "event_id",
            "schema.evolution": "none",
            "collection.name.format": "debezium.alert",
            "key.converter": "org.apache.kafka.connect.storage.StringConverter",
            "value.converter": "org.apache.kafka.connect.json.JsonConverter",
            "value.converter.schemas.enable": "true",
            **({} if set_up.carries_schema else {"value.converter.schema.content": self._schema}),
            **set_up.config,
        }
