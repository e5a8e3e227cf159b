"""The work of one batch: done once its records are handled and what is invalid of them is safe."""

import asyncio
from collections.abc import Callable, Sequence
from typing import Protocol

from maskwatch_runtime.errors import Unavailable
from maskwatch_runtime.kafka.dead_letters import DeadLetters, Rejected
from maskwatch_runtime.kafka.message import Record
from maskwatch_runtime.retry import Backoff, until_available

RETRY_CAP_S = 3.0  # a dependency that is back is used within this, however long it was away


class Handler(Protocol):
    """What a service does with records."""

    async def handle(self, records: Sequence[Record]) -> Sequence[Rejected]:
        """Do the work of the records, all or nothing, and return those that are invalid.

        Called again with the same records after Unavailable, and after a crash: must be repeatable.

        Raises:
            Unavailable: A dependency is away; nothing was done.
        """
        ...


class Work:
    """A handler, and where what it rejects goes.

    Args:
        handler: Does the work.
        dead_letters: Keeps what it rejects.
        on_wait: Told of each try that a dependency was away for.
        on_back: Told of the dependencies that are back, by name.
    """

    def __init__(
        self,
        handler: Handler,
        dead_letters: DeadLetters,
        *,
        on_wait: Callable[[Unavailable], None],
        on_back: Callable[[str], None],
    ) -> None:
        self._handler = handler
        self._dead_letters = dead_letters
        self._on_wait = on_wait
        self._on_back = on_back

    async def do(self, records: Sequence[Record], *, stop: asyncio.Event) -> None:
        """Handle a batch for as long as it takes.

        Raises:
            Unavailable: A dependency was still away when `stop` was set.
        """
        missed: set[str] = set()

        async def handle() -> None:
            rejected = await self._handler.handle(records)
            await self._dead_letters.send(rejected, of=len(records))

        def on_wait(error: Unavailable) -> None:
            missed.add(error.dependency)
            self._on_wait(error)

        backoff = Backoff(cap_s=RETRY_CAP_S)
        await until_available(handle, backoff=backoff, stop=stop, on_wait=on_wait)
        for dependency in missed:
            self._on_back(dependency)
