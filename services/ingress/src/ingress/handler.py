"""Records into the archive; what cannot get there is named."""

from collections.abc import Callable, Sequence
from typing import Protocol

from maskwatch_proto import contract
from maskwatch_proto.alert import Alert
from maskwatch_proto.contract import InvalidAlert
from maskwatch_runtime.clock import Clock
from maskwatch_runtime.kafka.dead_letters import Rejected
from maskwatch_runtime.kafka.message import Record

from ingress.archive import RowRefused
from ingress.metrics import Metrics

Readable = Sequence[tuple[Record, Alert]]


class Archives(Protocol):
    """Where alerts are kept; `archive.Archive` is the real one."""

    async def insert(self, alerts: Sequence[Alert]) -> int:
        """Write alerts of distinct event ids, all or none, and return how many were new.

        Raises:
            Unavailable: Nothing was written now.
            RowRefused: At least one alert will never be written; none was.
        """
        ...


class AlertHandler:
    """Decodes, archives, and says what is invalid.

    Args:
        archive: Where alerts go.
        metrics: What is counted.
        clock: Tells the delay since the event.
        on_archived: Called once new alerts, hence requests for notifications, are committed.
    """

    def __init__(
        self,
        archive: Archives,
        metrics: Metrics,
        clock: Clock,
        *,
        on_archived: Callable[[], None],
    ) -> None:
        self._archive = archive
        self._metrics = metrics
        self._clock = clock
        self._on_archived = on_archived

    async def handle(self, records: Sequence[Record]) -> Sequence[Rejected]:
        """Archive what is valid and return the rest.

        Raises:
            Unavailable: The database is away; safe to call again with the same records.
        """
        with self._metrics.batch_seconds.time():
            readable, rejected = decoded(records)
            return [*rejected, *await self._store(readable)]

    async def _store(self, readable: Readable) -> list[Rejected]:
        """Archive in one transaction; halve and try again while some row is refused."""
        if not readable:
            return []
        # Alerts by event id: a producer that lost an acknowledgement has sent the same one twice.
        alerts = list({alert.event_id: alert for _, alert in readable}.values())
        try:
            added = await self._archive.insert(alerts)
        except RowRefused as error:
            if len(alerts) == 1:
                return [Rejected(record, "archive", str(error)) for record, _ in readable]
            middle = len(readable) // 2
            return [
                *await self._store(readable[:middle]),
                *await self._store(readable[middle:]),
            ]
        self._count(readable, added)
        return []

    def _count(self, readable: Readable, added: int) -> None:
        self._metrics.archived.inc(added)
        self._metrics.repeated.inc(len(readable) - added)
        if not added:
            return
        self._on_archived()
        oldest = min(alert.event_time for _, alert in readable)
        self._metrics.delay_seconds.observe(max(0.0, (self._clock.now() - oldest).total_seconds()))


def decoded(records: Sequence[Record]) -> tuple[list[tuple[Record, Alert]], list[Rejected]]:
    """Return the records that hold an alert, with it, and those that do not, with the reason."""
    readable, rejected = [], []
    for record in records:
        try:
            readable.append((record, contract.decode(record.value)))
        except InvalidAlert as error:
            rejected.append(Rejected(record, error.field, error.reason))
    return readable, rejected
