"""What came of the events: read from the outbox, the broker, the archive, the ledger, the inbox."""

import re
import sqlite3
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import asyncpg
from devstack.inbox import Inbox
from maskwatch_runtime.kafka import topics

from faults import records
from faults.records import Stored

_ARCHIVED = """
SELECT event_id::text, device_id, sequence, extract(epoch FROM received_at)::float8 AS at_s
FROM alert ORDER BY id
"""
ORPHANS = """
SELECT event_id::text FROM alert
WHERE NOT EXISTS (SELECT FROM device WHERE device.id = device_id)
    OR NOT EXISTS (SELECT FROM face_detection_model AS model WHERE model.id = face_model_id)
    OR NOT EXISTS (SELECT FROM mask_classification_model AS model WHERE model.id = mask_model_id)
"""
_REQUESTED = """
SELECT a.event_id::text, count(*) AS requests, count(*) FILTER (WHERE published_at IS NULL) AS open
FROM notification_request r JOIN alert a ON a.id = r.alert_id GROUP BY a.event_id
"""
_LEDGER = """
SELECT coalesce(a.event_id, e.event_id)::text AS event_id, d.recipient, d.state, d.unknowns,
    d.next_try_at IS NOT NULL AS is_owed
FROM delivery d LEFT JOIN alert a ON a.id = d.alert_id
    LEFT JOIN device_event e ON e.id = d.device_event_id
ORDER BY d.id
"""
_UNSENT = """
SELECT count(*) FILTER (WHERE sent = 0 AND refused_reason IS NULL),
    count(*) FILTER (WHERE refused_reason IS NOT NULL)
FROM (SELECT sent, refused_reason FROM alert
    UNION ALL SELECT sent, refused_reason FROM device_event)
"""
_MESSAGE_ID = re.compile(r"<(?P<event_id>[0-9a-f-]{36})\.")
_DEAD_LETTERS = tuple(topic.name for topic in topics.TOPICS if topic.name.endswith(".dlq"))


@dataclass(frozen=True)
class Row:
    """A row of the archive; `at_s` is when it came, seconds since the epoch."""

    event_id: str
    device: str
    sequence: int
    at_s: float


@dataclass(frozen=True)
class Mail:
    """A mail in the inbox; the event is read from its Message-ID, empty for a foreign one."""

    event_id: str
    recipient: str
    at_s: float


@dataclass(frozen=True)
class Delivery:
    """A row of the ledger."""

    event_id: str
    recipient: str
    state: str
    unknowns: int
    is_owed: bool


@dataclass(frozen=True)
class Edge:
    """Rows of the outbox that wait, and that were set aside."""

    unsent: int = 0
    refused: int = 0


@dataclass(frozen=True)
class EndState:
    """Everything that the checker looks at.

    Attributes:
        orphans: Event ids of rows whose device or models are not in the archive.
        wire: Of alert-topic: key (device), event id; each partition in its order.
        requests: Rows that ask for mails, by event id.
        unrequested: Those not published yet.
        lag: Records that a group of the path has not committed.
        dead_letters: By topic; without those that have none.
    """

    rows: tuple[Row, ...] = ()
    orphans: tuple[str, ...] = ()
    wire: tuple[tuple[str, str], ...] = ()
    requests: Mapping[str, int] = field(default_factory=dict)
    unrequested: int = 0
    mails: tuple[Mail, ...] = ()
    ledger: tuple[Delivery, ...] = ()
    dead_letters: Mapping[str, int] = field(default_factory=dict)
    edge: Edge = Edge()
    lag: int = 0

    @property
    def repeats_on_wire(self) -> int:
        """Records beyond the first of each event."""
        return len(self.wire) - len({event_id for _, event_id in self.wire})


@dataclass(frozen=True)
class Places:
    """Where the end state is read from.

    Attributes:
        dsn: The superuser's.
        groups: Topic by consumer group, of the services that take part.
    """

    bootstrap: str
    dsn: str
    outbox: Path
    inbox: Inbox
    groups: Mapping[str, str]


async def observe(places: Places) -> EndState:
    """Return the end state of this moment."""
    connection = await asyncpg.connect(places.dsn)
    try:
        rows = await connection.fetch(_ARCHIVED)
        orphans = await connection.fetch(ORPHANS)
        requested = await connection.fetch(_REQUESTED)
        ledger = await connection.fetch(_LEDGER)
    finally:
        await connection.close()
    wire = await records.read(places.bootstrap, topics.ALERT)
    letters = {topic: len(await records.read(places.bootstrap, topic)) for topic in _DEAD_LETTERS}
    return EndState(
        rows=tuple(Row(*row) for row in rows),
        orphans=tuple(row["event_id"] for row in orphans),
        wire=on_wire(wire),
        requests={row["event_id"]: row["requests"] for row in requested},
        unrequested=sum(row["open"] for row in requested),
        mails=await mails(places.inbox),
        ledger=tuple(Delivery(*row) for row in ledger),
        dead_letters={topic: count for topic, count in letters.items() if count},
        edge=edge(places.outbox),
        lag=await records.lag(places.bootstrap, places.groups),
    )


def on_wire(stored: Sequence[Stored]) -> tuple[tuple[str, str], ...]:
    """Return device and event id of records, each partition in its order."""
    ordered = sorted(stored, key=lambda record: (record.partition, record.offset))
    return tuple((record.key.decode(errors="replace"), record.event_id) for record in ordered)


async def mails(inbox: Inbox) -> tuple[Mail, ...]:
    """Return every mail in the inbox, once for each recipient of its envelope, oldest first."""
    async with inbox.client() as client:
        messages = await client.messages()
    return tuple(
        Mail(_event_id(message.message_id), recipient, message.received_at.timestamp())
        for message in reversed(messages)
        for recipient in message.rcpt_to
    )


def _event_id(message_id: str) -> str:
    found = _MESSAGE_ID.match(message_id)
    return found["event_id"] if found else ""


def edge(outbox: Path) -> Edge:
    """Return what waits in the outbox; nothing for a file that is not there."""
    if not outbox.exists():
        return Edge()
    connection = sqlite3.connect(f"file:{outbox}?mode=ro", uri=True, timeout=10)
    try:
        return Edge(*connection.execute(_UNSENT).fetchone())
    finally:
        connection.close()
