"""Kafka, PostgreSQL and the inbox, started once and emptied for each case."""

import asyncio
import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import asyncpg
from aiokafka import TopicPartition
from aiokafka.admin import AIOKafkaAdminClient, RecordsToDelete
from devstack.inbox import Faults, Inbox
from devstack.kafka import Kafka
from devstack.postgres import Postgres
from devstack.service import Service
from maskwatch_runtime.kafka import topics
from maskwatch_runtime.settings import KafkaSettings

from devstack import ports
from faults import records

_DOORS = 8  # so many services of one case may have a proxy before the broker
_TEMPLATE = "faults_template"
_ROLES = {"ingress": "maskwatch_ingress", "notifier": "maskwatch_notifier"}
_TOPICS_S = 30.0
_WHOLE_PARTITION = RecordsToDelete(before_offset=-1)


@dataclass(frozen=True)
class Door:
    """A listener of the broker whose clients come by the advertised port."""

    port: int
    advertised_port: int


def doors() -> list[Door]:
    """Return doors at ports that are free now."""
    free = ports.free(2 * _DOORS)
    return [Door(*pair) for pair in zip(free[::2], free[1::2], strict=True)]


def kafka(folder: Path, through: list[Door]) -> Kafka:
    """Return a broker, not started, with these doors."""
    # What was deleted would be there again after a SIGKILL within a minute, or half a minute after
    # a start.
    settings = {
        "log.flush.start.offset.checkpoint.interval.ms": "100",
        "log.initial.task.delay.ms": "100",
    }
    ways = {door.port: door.advertised_port for door in through}
    return Kafka(folder, settings=settings, doors=ways)


@dataclass
class Servers:
    """The three servers; shared by all cases of a run, whoever breaks one heals it."""

    kafka: Kafka
    postgres: Postgres
    inbox: Inbox
    doors: list[Door]
    folder: Path
    passwords: Mapping[str, str] = field(
        default_factory=lambda: {login: secrets.token_urlsafe(18) for login in _ROLES}
    )

    async def prepare(self) -> None:
        """Make the topics, and the migrated database that each case's own is a copy of."""
        dsn = await self.postgres.create_database(_TEMPLATE)
        superuser = self.database_settings(_TEMPLATE)
        for name in _ROLES:
            step = Service(name, self.folder / "migrations", superuser).step
            await asyncio.to_thread(step, "migrate")
        connection = await asyncpg.connect(dsn)
        try:
            for login, role in _ROLES.items():
                await self.postgres.create_role(login, password=self.passwords[login])
                await connection.execute(f"GRANT {role} TO {login}")
        finally:
            await connection.close()
        await self.empty_topics()

    async def fresh_database(self, name: str) -> str:
        """Return the superuser's address of a new, migrated, empty database."""
        return await self.postgres.create_database(name, template=_TEMPLATE)

    async def empty(self) -> None:
        """Empty topics and inbox; a case begins with nothing of another's."""
        await asyncio.to_thread(self.heal)
        await self.empty_topics()
        async with self.inbox.client() as mails:
            await mails.set_faults(Faults())
            await mails.clear()

    def heal(self) -> None:
        """Start what a case has killed and failed to start again, resume what it has paused."""
        for server in (self.kafka, self.postgres, self.inbox):
            server.process.resume()
            if not server.process.is_running:
                server.start()

    async def empty_topics(self) -> None:
        """Delete every record; a topic that is missing or was changed is made anew."""
        await topics.create(self._kafka_settings(), replication=1)
        admin = AIOKafkaAdminClient(bootstrap_servers=self.kafka.bootstrap)
        await admin.start()
        try:
            await self._make_changed_anew(admin)
            wanted = {
                TopicPartition(topic.name, number): _WHOLE_PARTITION
                for topic in topics.TOPICS
                for number in range(topic.partitions)
            }
            await records.until_taken(lambda: admin.delete_records(wanted))
        finally:
            await admin.close()

    async def _make_changed_anew(self, admin: AIOKafkaAdminClient) -> None:
        """A case may have deleted a topic or added partitions, which cannot be taken away."""
        async with asyncio.timeout(_TOPICS_S):
            while changed := await _changed(admin):
                await admin.delete_topics(changed)
                missing = set(changed)
                while missing:  # a deleted topic's name is free a moment later
                    missing -= set(await topics.create(self._kafka_settings(), replication=1))
                    await asyncio.sleep(0.05)

    def kafka_settings(self, port: int) -> dict[str, str]:
        return {"MASKWATCH_KAFKA_BOOTSTRAP": f"{ports.LOOPBACK}:{port}"}

    def database_settings(
        self, database: str, *, login: str = "postgres", port: int | None = None
    ) -> dict[str, str]:
        """Return the variables with which a service reaches the database as this login."""
        password = self.passwords.get(login) or self._superuser_password()
        return {
            "MASKWATCH_POSTGRES_HOST": ports.LOOPBACK,
            "MASKWATCH_POSTGRES_PORT": str(port or self.postgres.port),
            "MASKWATCH_POSTGRES_DATABASE": database,
            "MASKWATCH_POSTGRES_USER": login,
            "MASKWATCH_POSTGRES_PASSWORD": password,
            "MASKWATCH_POSTGRES_TLS": "disable",
        }

    def _kafka_settings(self) -> KafkaSettings:
        return KafkaSettings(kafka_bootstrap=self.kafka.bootstrap)

    def _superuser_password(self) -> str:
        return (self.postgres.folder / "password").read_text(encoding="ascii")


async def _changed(admin: AIOKafkaAdminClient) -> list[str]:
    described = await admin.describe_topics([topic.name for topic in topics.TOPICS])
    partitions = {one["topic"]: len(one["partitions"]) for one in described}
    return [one.name for one in topics.TOPICS if partitions.get(one.name) != one.partitions]
