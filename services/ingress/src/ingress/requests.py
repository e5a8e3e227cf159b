"""Requests for notifications, as the relay sees them: rows beside what they are about."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

import asyncpg
import structlog
from maskwatch_proto import notification
from maskwatch_runtime import postgres
from maskwatch_runtime.kafka import topics
from maskwatch_runtime.kafka.message import Headers, Message
from maskwatch_runtime.relay import Entry
from maskwatch_runtime.settings import PostgresSettings

from ingress import statements
from ingress.metrics import Stream

_BATCH = 500
_log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Queue:
    """A table of requests, which also names its lock and its channel, and where they go.

    `subject` is the table that they are about, which `requests` refers to by `<subject>_id`.
    """

    requests: str
    subject: str
    topic: str
    type: str

    def sql(self, statement: str) -> str:
        """Return one of the statements for these tables."""
        return statement.format(requests=self.requests, subject=self.subject)


ALERTS = Queue(
    "notification_request",
    "alert",
    topics.NOTIFY,
    "maskwatch.alert.archived",
)
DEVICE_EVENTS = Queue(
    "event_notification_request",
    "device_event",
    topics.NOTIFY_EVENT,
    "maskwatch.device_event.archived",
)


@dataclass(frozen=True, slots=True)
class Request:
    """A row of `statements.PENDING_REQUESTS`; `number` is the subject's id in the archive."""

    id: int
    number: int
    event_id: UUID
    event_time: datetime
    device_id: str


class RequestSource:
    """The archive's outbox, read by one of the replicas at a time.

    All of this is done on one connection, whose session holds an advisory lock: who has it
    publishes, and with the connection the lock is lost. The other replicas wake that one by NOTIFY
    when they have archived something.
    """

    def __init__(self, settings: PostgresSettings, queue: Queue, stream: Stream) -> None:
        self._settings = settings
        self._queue = queue
        self._stream = stream
        self._connection: asyncpg.Connection | None = None
        self._has_lock = False
        self._using = asyncio.Lock()
        self._changed = asyncio.Event()

    def wake(self) -> None:
        """Say that there may be new requests."""
        self._changed.set()

    async def pending(self, *, after: int) -> Sequence[Entry]:
        async with self._session() as connection:
            if not await self._is_publisher(connection):
                return []
            pending = self._queue.sql(statements.PENDING_REQUESTS)
            rows = await connection.fetch(pending, after, _BATCH)
        requests = (Request(*row) for row in rows)
        return [Entry(request.id, message(request, self._queue)) for request in requests]

    async def mark_sent(self, ids: Sequence[int]) -> None:
        async with self._session() as connection:
            await connection.execute(self._queue.sql(statements.MARK_REQUESTS), ids)
        self._stream.requested.inc(len(ids))

    async def refuse(self, entry: Entry, reason: str) -> None:
        """Set the request aside; its row keeps the reason."""
        async with self._session() as connection:
            refuse = self._queue.sql(statements.REFUSE_REQUEST)
            await connection.execute(refuse, entry.id, reason)
        self._stream.refused.inc()
        _log.error(
            "request set aside",
            action="refuse",
            table=self._queue.requests,
            request=entry.id,
            reason=reason,
        )

    async def changed(self, *, timeout_s: float) -> None:
        try:
            await asyncio.wait_for(self._changed.wait(), timeout_s)
        except TimeoutError:
            return
        self._changed.clear()

    async def close(self) -> None:
        """Give up the connection, and the lock with it."""
        connection, self._connection, self._has_lock = self._connection, None, False
        if connection is None:
            return
        try:
            await connection.close(timeout=2.0)
        except (asyncpg.PostgresError, asyncpg.InterfaceError, OSError, TimeoutError):
            connection.terminate()

    @asynccontextmanager
    async def _session(self) -> AsyncIterator[asyncpg.Connection]:
        async with self._using:
            try:
                if self._connection is None:
                    self._connection = await postgres.connect(self._settings)
                async with postgres.translated():
                    yield self._connection
            except BaseException:
                # What the server made of it is unknown; a new session begins at what is committed.
                connection, self._connection, self._has_lock = self._connection, None, False
                if connection is not None:
                    connection.terminate()
                raise

    async def _is_publisher(self, connection: asyncpg.Connection) -> bool:
        if self._has_lock:
            return True
        channel = self._queue.requests
        self._has_lock = await connection.fetchval(statements.TRY_LOCK, channel)
        if self._has_lock:
            await connection.add_listener(channel, lambda *_: self.wake())
            _log.info("publishes the requests of all replicas", action="lock", table=channel)
        else:
            await connection.execute(statements.NOTIFY, channel)
        return self._has_lock


def message(request: Request, queue: Queue) -> Message:
    """Return what tells the notifier of an alert or an event: its number in the archive."""
    guid = request.device_id.encode()
    return Message(queue.topic, guid, notification.encode(request.number), _headers(request, queue))


def _headers(request: Request, queue: Queue) -> Headers:
    event_id = request.event_id
    # The event's trace goes on: its id is the event's. W3C Trace Context.
    trace = f"00-{event_id.hex}-{event_id.hex[16:]}-01"
    return (
        ("ce_specversion", b"1.0"),
        ("ce_type", queue.type.encode()),
        ("ce_id", str(event_id).encode()),
        ("ce_source", f"/devices/{request.device_id}".encode()),
        ("ce_time", request.event_time.isoformat().encode()),
        ("traceparent", trace.encode()),
    )
