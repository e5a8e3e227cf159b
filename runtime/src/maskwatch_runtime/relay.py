"""From a durable outbox to Kafka: read, publish, mark.

While a batch is on its way, the one before it is marked and the one behind it is read.
"""

import asyncio
from collections.abc import Sequence
from typing import NamedTuple, Protocol

import structlog

from maskwatch_runtime.errors import Unavailable
from maskwatch_runtime.health import Health
from maskwatch_runtime.kafka.message import Message
from maskwatch_runtime.kafka.outcome import Behind, Outcome, Refused, TopicMissing
from maskwatch_runtime.kafka.publisher import Publisher
from maskwatch_runtime.retry import Backoff, sleep_unless_stopped

_log = structlog.get_logger()
_RETRY_CAP_S = 3.0  # a broker that is back is used within this, however long it was away


class Entry(NamedTuple):
    """One row of an outbox; `id` rises in the order in which rows are to be published."""

    id: int
    message: Message


class Source(Protocol):
    """An outbox. The fake is `testing.FakeSource`."""

    async def pending(self, *, after: int) -> Sequence[Entry]:
        """Return the next unsent entries with an id above `after`, a bounded batch in order."""
        ...

    async def mark_sent(self, ids: Sequence[int]) -> None:
        """Record that the broker has these; durable on return."""
        ...

    async def refuse(self, entry: Entry, reason: str) -> None:
        """Deal with an entry that the broker will never take; it must not block the rest."""
        ...

    async def changed(self, *, timeout_s: float) -> None:
        """Return once there may be something new, at the latest after the timeout."""
        ...


_Published = tuple[Sequence[Entry], Sequence[Outcome]]


class Relay:
    """Drains a source for ever. An entry is marked only after the broker has acknowledged it.

    Args:
        source: The outbox.
        publisher: This relay's own: after a failure it is thrown away.
        health: Told of what is away, and of progress.
        name: Tells relays of one process apart in health reports.
        backoff: Delays between tries.
    """

    def __init__(
        self,
        source: Source,
        publisher: Publisher,
        health: Health,
        *,
        name: str = "relay",
        backoff: Backoff | None = None,
    ) -> None:
        self._source = source
        self._publisher = publisher
        self._health = health
        self._progress = health.track(name)
        self._backoff = backoff or Backoff(cap_s=_RETRY_CAP_S)

    async def run(self, stop: asyncio.Event) -> None:
        """Relay until `stop` is set; the batch in hand is finished first."""
        missed: set[str] = set()
        while not stop.is_set():
            try:
                await self._publisher.connect()
                await self.drain(stop)
                self._health.present("kafka")
                self._backoff.reset()
                while missed:
                    self._health.present(missed.pop())
                await self._idle(stop)
            except Unavailable as error:
                missed.add(error.dependency)
                self._health.missing(error.dependency, error.reason)
                self._progress.made()
                delay_s = self._backoff.next_s()
                _log.warning(
                    "waiting for a dependency",
                    action="relay",
                    dependency=error.dependency,
                    reason=error.reason,
                    delay_s=round(delay_s, 2),
                )
                await sleep_unless_stopped(delay_s, stop=stop)

    async def drain(self, stop: asyncio.Event) -> int:
        """Publish everything that is pending and return how many entries the broker has taken.

        Raises:
            Unavailable: The broker or the source is away; what was acknowledged is marked. Of a
                missing topic it is said once everything of the other topics is out.
        """
        sent = 0
        missing: dict[str, TopicMissing] = {}
        published: _Published = (), ()
        entries = await self._source.pending(after=0)
        while entries and not stop.is_set():
            self._progress.waits()
            behind = asyncio.create_task(
                self._mark_and_read(published, missing, after=entries[-1].id)
            )
            try:
                outcomes = await self._publisher.publish([entry.message for entry in entries])
            finally:
                marked, following = await behind
            sent += marked
            published = entries, outcomes
            self._progress.made()
            if None in outcomes:  # a broker that lets us in may refuse everything all the same
                self._health.present("kafka")
            if any(_is_broken(outcome) for outcome in outcomes):
                break
            entries = following
            if any(isinstance(outcome, Refused | Behind) for outcome in outcomes):
                # What goes out smaller, and what was held back, is read again before what follows.
                sent += await self._settle(published, missing)
                published = (), ()
                entries = await self._source.pending(after=0)
        sent += await self._settle(published, missing)
        for failure in missing.values():
            raise failure
        return sent

    async def _mark_and_read(
        self, published: _Published, missing: dict[str, TopicMissing], *, after: int
    ) -> tuple[int, Sequence[Entry]]:
        """Do what the source has to do while a batch is on its way: one thing after the other."""
        return await self._settle(published, missing), await self._source.pending(after=after)

    async def _settle(self, published: _Published, missing: dict[str, TopicMissing]) -> int:
        """Mark what was acknowledged before the first failure: later rows must not overtake it.

        What waits for its topic is noted in `missing`, and overtaken by what goes to others.
        """
        acknowledged: list[int] = []
        failure: Unavailable | None = None
        for entry, outcome in zip(*published, strict=True):
            if isinstance(outcome, TopicMissing):
                missing[entry.message.topic] = outcome
            elif isinstance(outcome, Unavailable):
                failure = outcome
                break
            elif isinstance(outcome, Refused):
                await self._source.refuse(entry, str(outcome))
            elif not isinstance(outcome, Behind):
                acknowledged.append(entry.id)
        if acknowledged:
            await self._source.mark_sent(acknowledged)
        if failure is not None:
            raise failure
        return len(acknowledged)

    async def _idle(self, stop: asyncio.Event) -> None:
        changed = asyncio.create_task(self._source.changed(timeout_s=1.0))
        stopping = asyncio.create_task(stop.wait())
        await asyncio.wait({changed, stopping}, return_when=asyncio.FIRST_COMPLETED)
        stopping.cancel()
        if not changed.done():
            changed.cancel()
            await asyncio.wait({changed})
            return
        changed.result()


def _is_broken(outcome: Outcome) -> bool:
    return isinstance(outcome, Unavailable) and not isinstance(outcome, TopicMissing)
