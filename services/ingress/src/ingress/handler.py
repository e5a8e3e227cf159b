"""Records into the archive; what cannot get there is named."""

from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Generic, Protocol, TypeVar
from uuid import UUID

from maskwatch_proto import contract, event_contract
from maskwatch_proto.alert import Alert
from maskwatch_proto.device_event import DeviceEvent
from maskwatch_proto.invalid import InvalidMessage
from maskwatch_runtime.clock import Clock
from maskwatch_runtime.kafka.dead_letters import Rejected
from maskwatch_runtime.kafka.message import Record

from ingress import pictures
from ingress.metrics import Metrics, Stream
from ingress.refusals import RowRefused


class Dated(Protocol):
    """An alert or a device event."""

    @property
    def event_id(self) -> UUID: ...

    @property
    def event_time(self) -> datetime: ...


D = TypeVar("D", bound=Dated)
D_contra = TypeVar("D_contra", bound=Dated, contravariant=True)


class Archives(Protocol[D_contra]):
    """Where they are kept; `archive.Archive` and `event_archive.EventArchive` are the real ones."""

    async def insert(self, batch: Sequence[D_contra], /) -> int:
        """Write messages of distinct event ids, all or none, and return how many were new.

        Raises:
            Unavailable: Nothing was written now.
            RowRefused: At least one of them will never be written; none was.
        """
        ...


class ArchiveHandler(Generic[D]):
    """Decodes, archives, and says what is invalid.

    Args:
        archive: Where they go.
        decode: Reads a record's value; raises InvalidMessage.
        stream: What is counted.
        clock: Tells the delay since the event.
        on_archived: Called once something new, hence requests for notifications, is committed.
    """

    def __init__(
        self,
        archive: Archives[D],
        decode: Callable[[bytes], D],
        stream: Stream,
        clock: Clock,
        *,
        on_archived: Callable[[], None],
    ) -> None:
        self._archive = archive
        self._decode = decode
        self._stream = stream
        self._clock = clock
        self._on_archived = on_archived

    async def handle(self, records: Sequence[Record]) -> Sequence[Rejected]:
        """Archive what is valid and return the rest.

        Raises:
            Unavailable: The database is away; safe to call again with the same records.
        """
        with self._stream.batch_seconds.time():
            readable, rejected = decoded(records, self._decode)
            return [*rejected, *await self._store(readable)]

    async def _store(self, readable: Sequence[tuple[Record, D]]) -> list[Rejected]:
        """Archive in one transaction; halve and try again while some row is refused."""
        if not readable:
            return []
        # By event id: a producer that lost an acknowledgement has sent the same one twice.
        batch = list({told.event_id: told for _, told in readable}.values())
        try:
            added = await self._archive.insert(batch)
        except RowRefused as error:
            if len(batch) == 1:
                return [Rejected(record, "archive", str(error)) for record, _ in readable]
            middle = len(readable) // 2
            return [
                *await self._store(readable[:middle]),
                *await self._store(readable[middle:]),
            ]
        self._count([told for _, told in readable], added)
        return []

    def _count(self, handled: Sequence[D], added: int) -> None:
        self._stream.archived.inc(added)
        self._stream.repeated.inc(len(handled) - added)
        if not added:
            return
        self._on_archived()
        delay_s = (self._clock.now() - min(told.event_time for told in handled)).total_seconds()
        self._stream.delay_seconds.observe(max(0.0, delay_s))


class AlertHandler(ArchiveHandler[Alert]):
    """Of `alert-topic`."""

    def __init__(
        self,
        archive: Archives[Alert],
        metrics: Metrics,
        clock: Clock,
        *,
        on_archived: Callable[[], None],
    ) -> None:
        super().__init__(archive, decode_alert, metrics.alerts, clock, on_archived=on_archived)


class DeviceEventHandler(ArchiveHandler[DeviceEvent]):
    """Of `device-event-topic`."""

    def __init__(
        self,
        archive: Archives[DeviceEvent],
        metrics: Metrics,
        clock: Clock,
        *,
        on_archived: Callable[[], None],
    ) -> None:
        super().__init__(
            archive, event_contract.decode, metrics.device_events, clock, on_archived=on_archived
        )


def decode_alert(payload: bytes) -> Alert:
    """Return the alert that the bytes hold.

    Raises:
        InvalidMessage: They are no alert, or whoever opens its picture would run out of memory.
    """
    alert = contract.decode(payload)
    if alert.image.data and (problem := pictures.problem(alert.image.data)):
        raise InvalidMessage("image", problem)
    return alert


def decoded(
    records: Sequence[Record], decode: Callable[[bytes], D]
) -> tuple[list[tuple[Record, D]], list[Rejected]]:
    """Return the records that can be read, with what they hold, and those that cannot, with why."""
    readable, rejected = [], []
    for record in records:
        try:
            readable.append((record, decode(record.value)))
        except InvalidMessage as error:
            rejected.append(Rejected(record, error.field, error.reason))
    return readable, rejected
