import asyncio
from collections.abc import Sequence

from maskwatch_runtime.kafka.message import Message
from maskwatch_runtime.relay import Entry


class FakeSource:
    """An outbox in memory: `unsent`, `sent` and `refused` by id."""

    def __init__(self, messages: Sequence[Message] = (), *, limit: int = 100) -> None:
        self.unsent = dict(enumerate(messages, start=1))
        self.sent: list[int] = []
        self.refused: dict[int, str] = {}
        self._limit = limit

    async def pending(self, *, after: int) -> Sequence[Entry]:
        ids = sorted(number for number in self.unsent if number > after)
        return [Entry(number, self.unsent[number]) for number in ids[: self._limit]]

    async def mark_sent(self, ids: Sequence[int]) -> None:
        for number in ids:
            del self.unsent[number]
        self.sent.extend(ids)

    async def refuse(self, entry: Entry, reason: str) -> None:
        del self.unsent[entry.id]
        self.refused[entry.id] = reason

    async def changed(self, *, timeout_s: float) -> None:  # noqa: ARG002 - the protocol's signature
        await asyncio.sleep(0)
