"""A run that went well, made by hand on real servers, so that a fault can be planted in it."""

import random
import smtplib
import sqlite3
from collections.abc import Sequence
from pathlib import Path
from urllib.parse import urlsplit

import asyncpg
from aiokafka import AIOKafkaProducer
from dispatcher import envelope
from ingress.archive import Archive
from maskwatch_proto import contract
from maskwatch_proto.alert import Alert
from maskwatch_runtime.clock import SystemClock
from maskwatch_runtime.kafka import topics
from maskwatch_runtime.kafka.message import Message
from maskwatch_runtime.outbox.outbox import Outbox
from maskwatch_runtime.outbox.rows import Wire
from maskwatch_runtime.postgres import Pool
from maskwatch_runtime.settings import PostgresSettings
from notifier import compose
from pydantic import SecretStr

from faults import checker, end_state
from faults.checker import Expected, Verdict
from faults.end_state import Places
from faults.load import Load
from faults.servers import Servers

RECIPIENT = "operations@plant.example"
EXPECTED = Expected(recipients=(RECIPIENT,))
_DOMAIN = "plant.example"
_PUBLISHED = "UPDATE notification_request SET published_at = now()"
_SENT = """
INSERT INTO delivery (alert_id, recipient, state, device_id, camera, event_time, message_id,
    further, deadline, sent_at)
SELECT id, $1, 'sent', device_id, camera, event_time, $2, 0, now(), now()
FROM alert WHERE event_id::text = $3
"""


class World:
    """Events that came through: on the topic, archived, asked for, mailed, written down."""

    def __init__(self, servers: Servers, dsn: str, folder: Path) -> None:
        self.servers = servers
        self.dsn = dsn
        self.outbox = folder / "alert.db"
        self.load = Load(self.outbox, folder, random.Random(1))  # noqa: S311 - no secret
        self.places = Places(servers.kafka.bootstrap, dsn, self.outbox, servers.inbox, {})

    async def make(self, count: int) -> None:
        await self.load.block(count)
        messages = self._pending()
        await self.publish(messages)
        self.sql_in_outbox("UPDATE alert SET sent = 1")
        await self._archive([contract.decode(message.value) for message in messages])
        await self.execute(_PUBLISHED)
        for event in self.load.history.events:
            await self.execute(_SENT, RECIPIENT, message_id(event.event_id), event.event_id)
            self.mail(event.event_id)

    async def verdict(self, expected: Expected = EXPECTED) -> Verdict:
        end = await end_state.observe(self.places)
        return checker.judge(self.load.history, end, expected)

    async def publish(self, messages: Sequence[Message]) -> None:
        async with AIOKafkaProducer(bootstrap_servers=self.places.bootstrap) as producer:
            for one in messages:
                await producer.send_and_wait(
                    one.topic, one.value, key=one.key, headers=list(one.headers)
                )

    async def execute(self, statement: str, *values: object) -> None:
        connection = await asyncpg.connect(self.dsn)
        try:
            await connection.execute(statement, *values)
        finally:
            await connection.close()

    async def fetch(self, statement: str) -> list[str]:
        """Return the first column of what a query finds."""
        connection = await asyncpg.connect(self.dsn)
        try:
            return [row[0] for row in await connection.fetch(statement)]
        finally:
            await connection.close()

    def mail(self, event_id: str) -> None:
        inbox = self.servers.inbox
        with smtplib.SMTP(inbox.host, inbox.smtp_port, timeout=10) as client:
            text = f"Message-ID: {message_id(event_id)}\r\nSubject: mask\r\n\r\nsee\r\n"
            client.sendmail("maskwatch@plant.example", [RECIPIENT], text)

    def sql_in_outbox(self, statement: str) -> None:
        connection = sqlite3.connect(self.outbox)
        with connection:
            connection.execute(statement)
        connection.close()

    def message(self, event_id: str) -> Message:
        """Return an event's message, as the dispatcher would publish it."""
        return next(one for one in self._all() if dict(one.headers)["ce_id"].decode() == event_id)

    def _all(self) -> list[Message]:
        self.sql_in_outbox("UPDATE alert SET sent = 0")
        messages = self._pending()
        self.sql_in_outbox("UPDATE alert SET sent = 1")
        return messages

    def _pending(self) -> list[Message]:
        outbox = Outbox.open(self.outbox)
        rows = outbox.pending(after=0, limit=10_000, size_bytes_max=10**9)
        outbox.close()
        return [envelope.message(row.wire) for row in rows if isinstance(row.wire, Wire)]

    async def _archive(self, alerts: Sequence[Alert]) -> None:
        address = urlsplit(self.dsn)
        settings = PostgresSettings(
            postgres_host=address.hostname or "",
            postgres_port=address.port or 0,
            postgres_database=address.path.lstrip("/"),
            postgres_user=address.username or "",
            postgres_password=SecretStr(address.password or ""),
            postgres_tls="disable",
        )
        pool = Pool(settings, size=1)
        try:
            await Archive(pool, SystemClock()).insert(alerts)
        finally:
            await pool.close()


def message_id(event_id: str) -> str:
    return compose.message_id(event_id, RECIPIENT, domain=_DOMAIN)


def dead_letter() -> Message:
    return Message(topics.ALERT_DEAD_LETTERS, b"device-1", b"garbage", ())
