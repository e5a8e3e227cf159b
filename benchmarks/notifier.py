"""The notifier beside bare aiosmtplib that sends the same mails to the same server.

Bare: the mails are prebuilt; as many connections as ours, each `sendmail` after `sendmail`. Ours
is the whole service as a process: it consumes requests from Kafka, judges and enters them, reads
alerts and pictures from PostgreSQL, composes, marks, sends and records.
"""

import asyncio
import statistics
import tempfile
import time
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path
from urllib.parse import urlsplit
from uuid import uuid4

import aiosmtplib
import asyncpg
from aiokafka import AIOKafkaProducer
from aiokafka.admin import AIOKafkaAdminClient
from devstack.inbox import Inbox
from devstack.inbox.client import InboxClient
from devstack.kafka import Kafka
from devstack.postgres import Postgres
from devstack.service import Service
from maskwatch_proto import notification
from maskwatch_runtime.kafka import topics
from maskwatch_runtime.settings import KafkaSettings
from notifier.alerts import Alert
from notifier.compose import Composer, sample_delivery
from notifier.connection import Mail
from notifier.settings import MailSettings
from notifier.wording import Further

from benchmarks.bars import Bar, at_most, beside
from benchmarks.resources import watched

ROUNDS = 3
MAILS = 1_000
BACKLOG_REQUESTS = 100_000
BACKLOG_WATCHED_MAILS = 3_000  # memory is flat long before; the rest would take half an hour
LONE_MAILS = 20
CONNECTIONS = 4
PICTURE_BYTES = 40_000
_PICTURE = b"\xff\xd8\xff\xe0" + bytes(range(256)) * (PICTURE_BYTES // 256)
_RECIPIENT, _SENDER = "administrator@example.org", "Maskwatch <alerts@maskwatch.example>"
# Alerts of a few devices and cameras; a picture each, except in the backlog, which shares one.
_ALERTS = """
WITH d AS (INSERT INTO device (id, type) SELECT 'door-' || n, 'raspberry pi 4'
           FROM generate_series(0, 23) n ON CONFLICT DO NOTHING),
     f AS (INSERT INTO face_detection_model VALUES ('f', now(), 'face', 0.5)
           ON CONFLICT DO NOTHING),
     m AS (INSERT INTO mask_classification_model VALUES ('m', now(), 'mask', 0.5)
           ON CONFLICT DO NOTHING)
INSERT INTO alert (event_time, device_id, face_model_id, mask_model_id, image_id, probability,
                   label, camera, longitude, latitude)
SELECT now(), 'door-' || n % 24, 'f', 'm', ($2::bigint[])[1 + n % cardinality($2::bigint[])], 0.97,
       'no_mask', 'north door', 2.35, 48.85
FROM generate_series(1, $1::int) n RETURNING id
"""
_PICTURES = """
INSERT INTO image (format, width, height, data)
SELECT 'jpg', 640, 480, $2::bytea FROM generate_series(1, $1::int) RETURNING id
"""


async def measure(kafka: Kafka, postgres: Postgres, *, rounds: int = ROUNDS) -> list[Bar]:
    """Return rates (mails/s, median of interleaved rounds), a lone mail's delay, peak memory."""
    with tempfile.TemporaryDirectory(prefix="maskwatch-") as name:
        inbox = Inbox(Path(name) / "inbox")
        inbox.start()
        try:
            async with inbox.client() as mails:
                bench = await _Bench.prepared(kafka, postgres, inbox, mails)
                return await bench.bars(Path(name), rounds)
        finally:
            inbox.stop()


class _Bench:
    def __init__(self, kafka: Kafka, dsn: str, inbox: Inbox, mails: InboxClient) -> None:
        self._kafka = kafka
        self._dsn = dsn
        self._inbox = inbox
        self._mails = mails

    @classmethod
    async def prepared(
        cls, kafka: Kafka, postgres: Postgres, inbox: Inbox, mails: InboxClient
    ) -> "_Bench":
        dsn = await postgres.create_database(f"bench_{uuid4().hex[:8]}")
        await _renew_topics(kafka)
        return cls(kafka, dsn, inbox, mails)

    async def bars(self, folder: Path, rounds: int) -> list[Bar]:
        for name in ("ingress", "notifier"):
            Service(name, folder, self._settings()).step("migrate")
        service = Service("notifier", folder, self._settings())
        service.start()
        try:
            delay_ms = await self._lone_mails_ms()
            ours, bare = [], []
            for _ in range(rounds):
                bare.append(MAILS / await self._bare(_prebuilt(MAILS)))
                ours.append(MAILS / await self._ours(MAILS))
            async with watched(service.process.pid) as peak:
                await self._backlog()
        finally:
            service.stop()
        rate, peer = statistics.median(ours), statistics.median(bare)
        lone = f"notifier, request to acceptance of a lone mail, median of {LONE_MAILS}"
        memory = f"notifier peak RSS, backlog of {BACKLOG_REQUESTS:,} x 40 KB"
        return [
            beside("notifier, 40 KB pictures", rate, peer, unit="mails/s", floor=0.8),
            at_most(lone, delay_ms, 100, unit="ms"),
            at_most(memory, peak.rss_mb, 120, unit="MB"),
        ]

    async def _ours(self, count: int) -> float:
        """Return the seconds from the first request to the last mail's acceptance."""
        ids = await self._archive(count, pictures=count)
        await self._mails.clear()
        began_s = time.perf_counter()
        await self._ask(ids)
        await self._mails.wait_for(count, timeout_s=600)
        return time.perf_counter() - began_s

    async def _bare(self, prebuilt: Sequence[Mail]) -> float:
        """Return the seconds from the first command to the last mail's acceptance."""
        await self._mails.clear()
        waiting = iter(prebuilt)
        clients = [
            aiosmtplib.SMTP(hostname=self._inbox.host, port=self._inbox.smtp_port, start_tls=False)
            for _ in range(CONNECTIONS)
        ]
        for client in clients:
            await client.connect()
        began_s = time.perf_counter()
        await asyncio.gather(*(_send_all(client, waiting) for client in clients))
        seconds = time.perf_counter() - began_s
        for client in clients:
            await client.quit()
        return seconds

    async def _lone_mails_ms(self) -> float:
        delays_ms = []
        for alert_id in await self._archive(LONE_MAILS, pictures=LONE_MAILS):
            await self._mails.clear()
            async with AIOKafkaProducer(bootstrap_servers=self._kafka.bootstrap) as producer:
                began_at = datetime.now(UTC)
                await producer.send_and_wait(topics.NOTIFY, notification.encode(alert_id))
            await self._mails.wait_for(1, timeout_s=60)
            (mail,) = await self._mails.messages()
            delays_ms.append((mail.received_at - began_at).total_seconds() * 1000)
        return statistics.median(delays_ms)

    async def _backlog(self) -> None:
        ids = await self._archive(BACKLOG_REQUESTS, pictures=1)
        await self._mails.clear()
        await self._ask(ids)
        await self._mails.wait_for(BACKLOG_WATCHED_MAILS, timeout_s=600)

    async def _archive(self, count: int, *, pictures: int) -> list[int]:
        connection = await asyncpg.connect(self._dsn)
        images = [row["id"] for row in await connection.fetch(_PICTURES, pictures, _PICTURE)]
        ids = [row["id"] for row in await connection.fetch(_ALERTS, count, images)]
        await connection.close()
        return ids

    async def _ask(self, ids: Sequence[int]) -> None:
        async with AIOKafkaProducer(bootstrap_servers=self._kafka.bootstrap) as producer:
            sent = [
                await producer.send(topics.NOTIFY, notification.encode(number), key=b"door")
                for number in ids
            ]
            await asyncio.gather(*sent)

    def _settings(self) -> dict[str, str]:
        address = urlsplit(self._dsn)
        return {
            "MASKWATCH_KAFKA_BOOTSTRAP": self._kafka.bootstrap,
            "MASKWATCH_CONSUMER_GROUP": uuid4().hex,
            "MASKWATCH_POSTGRES_HOST": str(address.hostname),
            "MASKWATCH_POSTGRES_PORT": str(address.port),
            "MASKWATCH_POSTGRES_DATABASE": address.path.lstrip("/"),
            "MASKWATCH_POSTGRES_USER": str(address.username),
            "MASKWATCH_POSTGRES_PASSWORD": str(address.password),
            "MASKWATCH_POSTGRES_TLS": "disable",
            "MASKWATCH_RECIPIENTS": _RECIPIENT,
            "MASKWATCH_SENDER": _SENDER,
            "MASKWATCH_SMTP_HOST": self._inbox.host,
            "MASKWATCH_SMTP_PORT": str(self._inbox.smtp_port),
            "MASKWATCH_SMTP_TLS": "none",
            "MASKWATCH_SMTP_CONNECTIONS": str(CONNECTIONS),
            "MASKWATCH_COOLDOWN_MINUTES": "0",
        }


async def _renew_topics(kafka: Kafka) -> None:
    """Requests that another benchmark left would be asked of another archive."""
    settings = KafkaSettings(kafka_bootstrap=kafka.bootstrap)
    await topics.create(settings, replication=1)
    admin = AIOKafkaAdminClient(bootstrap_servers=kafka.bootstrap)
    await admin.start()
    await admin.delete_topics([topics.NOTIFY])
    await admin.close()
    while topics.NOTIFY not in await topics.create(settings, replication=1):  # noqa: ASYNC110
        await asyncio.sleep(0.2)  # the broker does not say when a deleted topic's name is free


async def _send_all(client: aiosmtplib.SMTP, waiting: Iterator[Mail]) -> None:
    for mail in waiting:
        await client.sendmail(mail.sender, [mail.recipient], mail.data)


def _prebuilt(count: int) -> list[Mail]:
    settings = MailSettings(recipients=_RECIPIENT, sender=_SENDER, smtp_host="unused")
    composer = Composer(settings)
    (recipient,) = settings.recipients
    mails = []
    for number in range(count):
        alert = Alert(
            id=number,
            event_id=str(uuid4()),
            event_time=datetime.now(UTC),
            device_id="door-1",
            device_type="raspberry pi 4",
            camera="north door",
            label="no_mask",
            probability=0.97,
            longitude=2.35,
            latitude=48.85,
            picture=_PICTURE,
            picture_bytes=len(_PICTURE),
        )
        delivery = sample_delivery(
            alert, recipient, now=alert.event_time, domain="maskwatch.example"
        )
        mails.append(composer.mail(composer.body(alert, Further()), delivery))
    return mails
