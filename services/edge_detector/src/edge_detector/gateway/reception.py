"""The way of a message from any channel to the disk."""

import asyncio
from dataclasses import dataclass
from datetime import UTC, datetime
from uuid import UUID

import structlog

from edge_detector.gateway import limits, results
from edge_detector.gateway.compose import Event
from edge_detector.gateway.intake import Intake
from edge_detector.gateway.limits import Bucket, Rate
from edge_detector.gateway.metrics import GatewayMetrics
from edge_detector.gateway.results import InvalidResult, Limits, Result
from edge_detector.spool import Spool

_LOG_RATE = Rate(per_s=1.0, burst=20.0)

_log = structlog.get_logger()


class Receipts:
    """Tells the event loop which events have become durable; `stored` is safe in any thread."""

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._awaited: dict[UUID, asyncio.Future[None]] = {}

    def expect(self, event: Event) -> asyncio.Future[None]:
        """Return what is done once the event is stored; call it before the event is put."""
        found = self._awaited.get(event.event_id)
        if found is None:
            found = self._awaited[event.event_id] = self._loop.create_future()
        return found

    @property
    def waiting(self) -> int:
        """How many events are expected."""
        return len(self._awaited)

    def awaited(self) -> tuple[asyncio.Future[None], ...]:
        """Return what is done once everything that is expected now is stored."""
        return tuple(self._awaited.values())

    def stored(self, event: Event) -> None:
        """Say that the event is durable."""
        try:
            self._loop.call_soon_threadsafe(self._settle, event.event_id)
        except RuntimeError:  # the loop has ended: nobody waits any more
            return

    def _settle(self, event_id: UUID) -> None:
        awaited = self._awaited.pop(event_id, None)
        if awaited is not None and not awaited.done():
            awaited.set_result(None)


@dataclass(frozen=True, slots=True)
class Received:
    """A message that was taken; `pending` are done once all that follows from it is durable."""

    is_new: bool
    pending: tuple[asyncio.Future[None], ...] = ()

    async def durable(self) -> None:
        """Return when a power cut would lose nothing of it."""
        for future in self.pending:
            # Shielded: another delivery may wait for the same event.
            await asyncio.shield(future)


@dataclass(frozen=True, slots=True)
class Way:
    """A way in: its name in metrics, and whether the sender waits for our acknowledgements."""

    name: str
    is_held_back: bool = False


@dataclass(frozen=True, slots=True)
class Options:
    """Sizes of messages, and how many events may wait for the disk before channels hold back."""

    limits: Limits
    waiting_max: int


class Reception:
    """Parses, counts, judges and stores what channels hand in.

    Args:
        intake: Decides.
        spool: Stores.
        receipts: Told by the spool's store.
        metrics: Counts every message once.
        options: Sizes, and how much may wait for the disk.
    """

    def __init__(
        self,
        intake: Intake,
        spool: Spool,
        receipts: Receipts,
        *,
        metrics: GatewayMetrics,
        options: Options,
    ) -> None:
        self._intake = intake
        self._spool = spool
        self._receipts = receipts
        self._metrics = metrics
        self._waiting_max = options.waiting_max
        self._log_bucket: Bucket | None = None
        self.limits = options.limits

    @property
    def is_full(self) -> bool:
        """Whether so much waits for the disk that channels have to hold back."""
        return self._receipts.waiting >= self._waiting_max

    def receive(self, payload: bytes, *, board: str | None, way: Way) -> Received:
        """Take a message.

        Raises:
            InvalidResult: It is refused; it was counted and logged.
        """
        try:
            return self._take(results.parse(payload, board=board, limits=self.limits), way)
        except InvalidResult as error:
            self.refused(error, way=way, board=board)
            raise

    def connect(self, board: str, *, way: Way) -> None:
        """Take the message that a board has started.

        Raises:
            InvalidResult: It is refused; it was counted and logged.
        """
        try:
            self._intake.connect(results.board_name(board))
        except InvalidResult as error:
            self.refused(error, way=way, board=board)
            raise

    def tick(self) -> None:
        """Store what time has ended."""
        for event in self._intake.tick():
            self._spool.put(event)

    def close(self) -> None:
        """Store what is open, and let the spool end."""
        for event in self._intake.close():
            self._spool.put(event)
        self._spool.close()

    def refused(self, error: InvalidResult, *, way: Way, board: str | None) -> None:
        """Count and log what is refused on a way in."""
        self._metrics.results.labels(way.name, error.reason).inc()
        self._log_bucket, wait_s = limits.take(self._log_bucket, _LOG_RATE, datetime.now(UTC))
        if wait_s:  # a flood of messages is no flood of lines
            return
        _log.warning(
            "result refused",
            action="refuse",
            channel=way.name,
            board=None if board is None else board[: results.NAME_SIGNS_MAX],
            reason=error.reason,
            told=str(error)[:300],
        )

    def _take(self, result: Result, way: Way) -> Received:
        taken = self._intake.take(result, is_held_back=way.is_held_back)
        self._metrics.results.labels(way.name, "accepted" if taken.is_new else "duplicate").inc()
        if not taken.is_new:
            # The first delivery may still be on its way to the disk.
            return Received(is_new=False, pending=self._receipts.awaited())
        pending = tuple(self._receipts.expect(event) for event in taken.events)
        for event in taken.events:
            self._spool.put(event)
        return Received(is_new=True, pending=pending)
