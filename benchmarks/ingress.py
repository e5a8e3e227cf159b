"""The ingress service beside bare aiokafka and asyncpg on the same messages.

Bare: one loop; getmany of up to 500 records, one transaction with `INSERT ... SELECT FROM unnest
... ON CONFLICT ... RETURNING` into a table of the same columns and indexes, and the pictures into
one like ours; commit the offsets; again. It decodes nothing: the record's own bytes are the
picture, all other columns are constants. No foreign keys, no validation, no requests for
notifications. "Path" is our consumer, handler and archive in the same process as the bare loop;
"service" is the service as it is deployed, which publishes the requests for notifications too.
"""

import asyncio
import statistics
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

from devstack.kafka import Kafka
from devstack.postgres import Postgres
from ingress.handler import AlertHandler
from ingress.metrics import Metrics
from maskwatch_runtime.kafka.dead_letters import Rejected
from maskwatch_runtime.kafka.message import Record
from maskwatch_runtime.postgres import Pool
from prometheus_client import CollectorRegistry

from benchmarks import archive_step
from benchmarks.alerts import Load
from benchmarks.bars import Bar, at_most, beside
from benchmarks.stage import Stage

ROUNDS = 3

_BACKLOG = Load("backlog of 100,000 x 40 KB", 40_000, 100_000)
LOADS = (
    Load("40 KB pictures", 40_000, 8_000, floor=0.8),
    Load("metadata only", 0, 40_000, floor=0.6),
)


async def measure(kafka: Kafka, postgres: Postgres, *, rounds: int = ROUNDS) -> list[Bar]:
    """Return rates (alerts/s, median of interleaved rounds) and the peak memory at full load."""
    bars = []
    with tempfile.TemporaryDirectory(prefix="maskwatch-") as name:
        for load in LOADS:
            stage = await Stage.prepared(kafka, postgres, Path(name))
            await stage.fill(load)
            bars += await _rates(stage, load, rounds)
        stage = await Stage.prepared(kafka, postgres, Path(name))
        await stage.fill(_BACKLOG)
        backlog = await stage.service(_BACKLOG)
        await stage.empty()
        bars.append(at_most(f"ingress peak RSS, {_BACKLOG.name}", backlog.rss_mb, 200, unit="MB"))
    return bars


async def _rates(stage: Stage, load: Load, rounds: int) -> list[Bar]:
    bare_s, path_s, service_s = [], [], []
    for _ in range(rounds):
        bare_s.append(await stage.bare(load))
        await stage.truncate()
        path_s.append(await _path(stage, load))
        await stage.truncate()
        service_s.append((await stage.service(load)).seconds)
    bare, path, service = (
        load.messages / statistics.median(seconds) for seconds in (bare_s, path_s, service_s)
    )
    title = f"ingress, {load.name}"
    return [
        beside(f"{title}, path", path, bare, unit="alerts/s", floor=load.floor),
        Bar(f"{title}, service", service, "alerts/s", bare, service / bare),
    ]


async def _path(stage: Stage, load: Load) -> float:
    """Return the seconds that consumer, handler and archive take for all messages."""
    settings, metrics = stage.settings(), Metrics(CollectorRegistry())
    pool = Pool(settings, size=settings.writers)
    handler = _Timed(archive_step.handler(pool, metrics), load.messages)
    await archive_step.consumer(settings, handler, metrics).run(handler.is_done)
    await pool.close()
    return handler.seconds


class _Timed:
    """A handler that says when all is done; time runs from the end of its first batch."""

    def __init__(self, handler: AlertHandler, messages: int) -> None:
        self.is_done = asyncio.Event()
        self.seconds = 0.0
        self._handler = handler
        self._messages = messages
        self._handled = self._first = 0
        self._began_s = 0.0

    async def handle(self, records: Sequence[Record]) -> Sequence[Rejected]:
        rejected = await self._handler.handle(records)
        self._handled += len(records)
        if not self._began_s:
            self._began_s, self._first = time.perf_counter(), self._handled
        if self._handled == self._messages:
            elapsed_s = time.perf_counter() - self._began_s
            self.seconds = elapsed_s * self._messages / (self._messages - self._first)
            self.is_done.set()
        return rejected
