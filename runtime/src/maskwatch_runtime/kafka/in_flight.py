"""Batches under way, and what of them may be committed."""

import asyncio
from collections import deque
from collections.abc import Coroutine, Iterable
from dataclasses import dataclass, field
from typing import Any

from aiokafka import TopicPartition

Offsets = dict[TopicPartition, int]


@dataclass(slots=True)
class _Batch:
    work: "asyncio.Task[None]"
    offsets: Offsets
    abandoned: set[TopicPartition] = field(default_factory=set)


class InFlight:
    """A queue of batches. Work goes on side by side; offsets leave in the order of arrival.

    A batch that has failed stays at the head, so that nothing behind it is ever committed.
    """

    def __init__(self) -> None:
        self._batches: deque[_Batch] = deque()

    def __len__(self) -> int:
        return len(self._batches)

    @property
    def oldest(self) -> "set[asyncio.Task[None]]":
        """The work that everything else waits for; empty when nothing is under way."""
        return {self._batches[0].work} if self._batches else set()

    def begin(self, work: Coroutine[Any, Any, None], offsets: Offsets) -> None:
        """Start the work; `offsets` are those to commit once it is done."""
        self._batches.append(_Batch(asyncio.create_task(work), offsets))

    def abandon(self, partitions: Iterable[TopicPartition]) -> None:
        """Never hand out offsets of these partitions for what is under way now."""
        gone = set(partitions)
        for batch in self._batches:
            batch.abandoned |= gone

    def take_done(self) -> Offsets:
        """Remove the batches that are done, up to the first that is not; return what to commit."""
        offsets: Offsets = {}
        while self._batches and _has_succeeded(self._batches[0].work):
            batch = self._batches.popleft()
            offsets |= {
                partition: offset
                for partition, offset in batch.offsets.items()
                if partition not in batch.abandoned
            }
        return offsets

    def failure(self) -> BaseException | None:
        """Return what the oldest batch failed with."""
        for work in self.oldest:
            if work.done() and not work.cancelled():
                return work.exception()
        return None

    async def wait(self, *, timeout_s: float) -> None:
        """Wait until all work has ended, well or not, or the time is over."""
        if self._batches:
            await asyncio.wait({batch.work for batch in self._batches}, timeout=timeout_s)

    async def cancel(self) -> None:
        """End what is under way and forget it."""
        batches, self._batches = self._batches, deque()
        for batch in batches:
            batch.work.cancel()
        await asyncio.gather(*(batch.work for batch in batches), return_exceptions=True)


def _has_succeeded(work: "asyncio.Task[None]") -> bool:
    return work.done() and not work.cancelled() and work.exception() is None
