"""Writes to the ledger in batches: what has gathered while one batch was being written is the next.

So one mail costs no statement of its own, and its result is not kept back either.
"""

import asyncio
from collections.abc import Awaitable, Callable, Sequence

import structlog
from maskwatch_runtime.errors import Unavailable
from maskwatch_runtime.retry import Backoff

from notifier.ledger import Change, Key

Write = Callable[[Sequence[Change]], Awaitable[set[Key]]]
_LAST_TRIES, _LAST_PAUSE_S = 5, 0.5  # once the service stops
_log = structlog.get_logger()


class Recorder:
    """Takes changes from many tasks and writes them in order.

    Args:
        write: Writes changes in one transaction and returns the keys of the rows that were ours.
        on_tried: Told after every batch why it was not written, or None, to report health.
    """

    def __init__(
        self, write: Write, *, on_tried: Callable[[Unavailable | None], None] = lambda _: None
    ) -> None:
        self._write = write
        self._on_tried = on_tried
        self._changes: dict[Key, Change] = {}
        self._waiting: dict[Key, asyncio.Future[bool]] = {}
        self._gathered = asyncio.Event()
        self._is_closed = False

    def put(self, change: Change) -> None:
        """Have the change written as soon as possible, however often it takes."""
        # A later change of a row takes the place of one that was not written yet.
        self._changes[change.key] = change
        self._gathered.set()

    async def written(self, change: Change) -> bool:
        """Write the change and return whether the row was still ours.

        Raises:
            Unavailable: The database is away; the change is not tried again.
        """
        future: asyncio.Future[bool] = asyncio.get_running_loop().create_future()
        self._waiting[change.key] = future
        self.put(change)
        try:
            return await future
        finally:
            if self._waiting.get(change.key) is future:
                del self._waiting[change.key]

    def close(self) -> None:
        """Have `run` return once everything is written; nothing may be put after this."""
        self._is_closed = True
        self._gathered.set()

    async def run(self) -> None:
        """Write until closed; the database is waited for, after that for a short while only."""
        backoff = Backoff(cap_s=5.0)
        tries_left = _LAST_TRIES
        while self._changes or not self._is_closed:
            await self._gathered.wait()
            self._gathered.clear()
            error = await self._write_gathered()
            self._on_tried(error)
            if error is None:
                backoff.reset()
                continue
            tries_left -= self._is_closed
            if not tries_left:
                _log.error("results lost", action="record", deliveries=len(self._changes))
                return
            await asyncio.sleep(_LAST_PAUSE_S if self._is_closed else backoff.next_s())

    async def _write_gathered(self) -> Unavailable | None:
        changes, self._changes = self._changes, {}
        if not changes:
            return None
        try:
            ours = await self._write(list(changes.values()))
        except Unavailable as error:
            self._give_back(changes, error)
            return error
        for key in changes:
            self._answer(key, is_ours=key in ours)
        return None

    def _give_back(self, changes: dict[Key, Change], error: Unavailable) -> None:
        """Keep the changes that nobody waits for; those who wait decide for themselves."""
        for key, change in changes.items():
            future = self._waiting.get(key)
            if future is None:
                self._changes.setdefault(key, change)
            elif not future.done():
                future.set_exception(error)
        if self._changes:
            self._gathered.set()

    def _answer(self, key: Key, *, is_ours: bool) -> None:
        future = self._waiting.get(key)
        if future is not None and not future.done():
            future.set_result(is_ours)
