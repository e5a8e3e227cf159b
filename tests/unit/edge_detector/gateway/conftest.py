"""A gateway without network and disk: real decisions, a store in memory."""

import asyncio
import threading
from collections.abc import AsyncIterator, Callable, Sequence
from pathlib import Path
from uuid import UUID

import pytest
from edge_detector.gateway.boards import BoardPlan, Fleet
from edge_detector.gateway.compose import Event, Gateway
from edge_detector.gateway.intake import Intake, Policy
from edge_detector.gateway.limits import Rate
from edge_detector.gateway.metrics import GatewayMetrics
from edge_detector.gateway.reception import Options, Receipts, Reception
from edge_detector.gateway.results import Limits
from edge_detector.metrics import Metrics
from edge_detector.spool import Spool, Store
from maskwatch_proto.alert import ClockQuality, Device
from maskwatch_runtime.clock import SystemClock
from maskwatch_runtime.errors import Unavailable
from maskwatch_runtime.health import Health
from maskwatch_runtime.retry import Backoff
from maskwatch_runtime.testing import FakeClock
from prometheus_client import CollectorRegistry

Intakes = Callable[..., Intake]


class MemoryStore(Store):
    """Keeps what it is given in `stored`; refuses while `is_full`."""

    def __init__(self, receipts: Receipts) -> None:
        super().__init__(Path("never-opened.db"))
        self.receipts = receipts
        self.stored: list[Event] = []
        self.is_full = False

    def append_all(self, events: Sequence[Event]) -> None:
        if self.is_full:
            raise Unavailable("outbox", "database or disk is full")
        self.stored += events
        for event in events:
            self.receipts.stored(event)

    def tidy(self) -> None:
        """There is no file."""


class Desk:
    """A reception with the thread of its spool."""

    def __init__(self, intake: Intake, metrics: GatewayMetrics, **sizes: int) -> None:
        self.receipts = Receipts()
        self.store = MemoryStore(self.receipts)
        self.metrics = metrics
        self.spool = Spool(
            self.store,
            capacity=100,
            health=Health(SystemClock()),
            metrics=Metrics(CollectorRegistry()),
            backoff=Backoff(initial_s=0.001, cap_s=0.001),
        )
        options = Options(
            Limits(sizes.get("picture_bytes_max", 1000)), sizes.get("waiting_max", 50)
        )
        self.reception = Reception(
            intake, self.spool, self.receipts, metrics=self.metrics, options=options
        )
        self._thread = threading.Thread(target=self.spool.run, daemon=True)
        self._thread.start()

    def end(self) -> None:
        self.reception.close()
        self._thread.join(10)
        assert not self._thread.is_alive()


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
def registry() -> CollectorRegistry:
    return CollectorRegistry()


@pytest.fixture
def metrics(registry: CollectorRegistry) -> GatewayMetrics:
    return GatewayMetrics(registry)


@pytest.fixture
def intake(clock: FakeClock, metrics: GatewayMetrics) -> Intakes:
    """Make an intake that knows the boards `b1` and `b2`; three of five have to agree."""

    def make(*, accepts_unknown: bool = False, boards_max: int = 3, **plan: object) -> Intake:
        boards = tuple(BoardPlan.model_validate({"id": name, **plan}) for name in ("b1", "b2"))
        policy = Policy(
            Fleet(boards=boards, defaults=plan),
            accepts_unknown=accepts_unknown,
            boards_max=boards_max,
            rate=Rate(per_s=10.0, burst=20.0),
        )
        return Intake(
            Gateway(Device(guid="gw", enrolled_on="2026-01-01"), UUID(int=1)),
            policy,
            clock=clock,
            metrics=metrics,
            quality_at=lambda _: ClockQuality.SYNCHRONISED,
        )

    return make


@pytest.fixture
async def desk(intake: Intakes, metrics: GatewayMetrics) -> AsyncIterator[Callable[..., Desk]]:
    desks: list[Desk] = []

    def make(**sizes: int) -> Desk:
        desks.append(Desk(intake(votes_agreeing=1, votes_among=1), metrics, **sizes))
        return desks[-1]

    yield make
    for one in desks:
        one.store.is_full = False
        await asyncio.to_thread(one.end)
