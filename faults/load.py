"""Alerts into the outbox as a detector stores them; ``python -m faults.load`` is a writer that may
be killed.
"""  # noqa: D205 - one sentence

import argparse
import asyncio
import os
import random
import signal
import sys
import time
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from types import FrameType
from uuid import UUID

from devstack.load import alert
from devstack.processes import Command, Process
from maskwatch_proto.alert import Alert
from maskwatch_runtime.outbox.checkpoint import Checkpointer
from maskwatch_runtime.outbox.outbox import Outbox

from faults import sources
from faults.history import Event, History, Journal

_BATCH = 64  # what the detector stores at once, at most
_START_S = 30.0


@dataclass(frozen=True)
class Shape:
    """What the alerts look like.

    Attributes:
        devices: They take turns.
        site: What their names begin with.
        picture_bytes: 0 is without a picture.
        batch: Alerts to a transaction.
    """

    devices: int = 3
    picture_bytes: int = 4_000
    batch: int = _BATCH
    site: str = "device"


class Load:
    """Fills one outbox; everything that was acknowledged is in `history`.

    Args:
        outbox: The file; made when absent.
        folder: Takes the journal and the writer's log.
        numbers: Where event ids come from.
    """

    def __init__(self, outbox: Path, folder: Path, numbers: random.Random) -> None:
        self.outbox = outbox
        self._folder = folder
        self._numbers = numbers
        self._journal_path = folder / "history.jsonl"
        self._journal = Journal(self._journal_path)
        self._made = 0
        self._writer: Process | None = None

    @property
    def history(self) -> History:
        return self._journal.read()

    async def block(self, count: int, *, shape: Shape | None = None) -> None:
        """Store so many alerts as fast as the disk takes them."""
        await asyncio.to_thread(self._store, count, shape or Shape())

    async def put(self, alerts: Sequence[Alert]) -> None:
        """Store these alerts, in this order."""
        await asyncio.to_thread(self._put, alerts, _BATCH)

    def published(self, alerts: Sequence[Alert]) -> None:
        """Take alerts into the history that the case itself has put on the topic."""
        events = [Event(str(one.event_id), one.device.guid, one.sequence) for one in alerts]
        self._journal.acknowledged(events, now_s=time.time())

    def begin(self, *, per_second: float, shape: Shape | None = None) -> Process:
        """Start a writer process that stores one alert after the other until `end`; returns it."""
        chosen = shape or Shape()
        self._writer = Process(
            Command(
                name="load",
                argv=(
                    *(sys.executable, "-m", "faults.load", str(self.outbox)),
                    *(str(self._journal_path), str(self._numbers.getrandbits(64))),
                    *("--per-second", str(per_second), "--devices", str(chosen.devices)),
                    *("--picture-bytes", str(chosen.picture_bytes), "--site", chosen.site),
                    *("--after", str(self.tried)),
                ),
                folder=self._folder,
                env={**os.environ, "PYTHONPATH": sources.python_path()},
            )
        )
        before = self.tried
        self._writer.wait_until(lambda: self.tried > before, timeout_s=_START_S)
        return self._writer

    @property
    def tried(self) -> int:
        return len(self.history.events)

    def end(self) -> None:
        """Stop the writer after the alert in hand; nothing happens without one."""
        if self._writer is not None and self._writer.is_running:
            self._writer.stop()
        self._writer = None

    def _store(self, count: int, shape: Shape) -> None:
        alerts = made(count, after=self.tried, shape=shape, numbers=self._numbers)
        self._put(alerts, shape.batch)

    def _put(self, alerts: Iterable[Alert], batch: int) -> None:
        outbox, waiting = Outbox.open(self.outbox), iter(alerts)
        checkpointer = Checkpointer(self.outbox)  # as the detector's spool does
        try:
            while some := list(islice(waiting, batch)):
                store(outbox, self._journal, some)
                checkpointer.checkpoint(outbox.connection)
        finally:
            outbox.close()


def made(count: int, *, after: int, shape: Shape, numbers: random.Random) -> Iterator[Alert]:
    """Yield alerts of the devices in turn, numbered on from `after`."""
    for number in range(after + 1, after + 1 + count):
        device = f"{shape.site}-{number % shape.devices + 1}"
        plain = alert(number, picture_bytes=shape.picture_bytes, device=device)
        yield plain.model_copy(update={"event_id": UUID(int=numbers.getrandbits(128), version=4)})


def store(outbox: Outbox, journal: Journal, alerts: Sequence[Alert]) -> None:
    """Store alerts in one transaction, with a note before and after."""
    events = [Event(str(one.event_id), one.device.guid, one.sequence or 0) for one in alerts]
    journal.tried(events)
    outbox.append_all(alerts)
    journal.acknowledged(events, now_s=time.time())


def main() -> int:
    """Store alerts at a rate until SIGTERM."""
    parser = argparse.ArgumentParser(prog="faults.load", description=__doc__)
    parser.add_argument("outbox", type=Path)
    parser.add_argument("journal", type=Path)
    parser.add_argument("seed", type=int)
    parser.add_argument("--per-second", type=float, required=True, help="0: as fast as possible")
    parser.add_argument("--devices", type=int, default=3)
    parser.add_argument("--picture-bytes", type=int, default=4_000)
    parser.add_argument("--site", default="device", help="what the devices' names begin with")
    parser.add_argument("--after", type=int, default=0, help="number of the last alert before")
    given = parser.parse_args()
    is_ended = False

    def end(_number: int, _frame: FrameType | None) -> None:
        nonlocal is_ended
        is_ended = True

    signal.signal(signal.SIGTERM, end)
    numbers = random.Random(given.seed)  # noqa: S311 - no secret
    shape = Shape(given.devices, given.picture_bytes, site=given.site)
    outbox, journal = Outbox.open(given.outbox), Journal(given.journal)
    number, began_s = 0, time.monotonic()
    while not is_ended:
        alerts = made(1, after=given.after + number, shape=shape, numbers=numbers)
        store(outbox, journal, list(alerts))
        number += 1
        due_s = began_s + (number / given.per_second if given.per_second else 0)
        time.sleep(max(0.0, due_s - time.monotonic()))
    outbox.close()
    return 0


if __name__ == "__main__":
    sys.exit(main())
