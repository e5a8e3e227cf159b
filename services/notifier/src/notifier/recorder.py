"""Writes to the ledger in batches: what gathers while one batch is being written is the next.

So one mail costs no statement of its own, and one that comes alone does not wait for others.
"""

import asyncio
from collections.abc import Awaitable, Callable, Sequence

import structlog
from maskwatch_runtime.errors import Unavailable
from maskwatch_runtime.retry import Backoff

from notifier.deliveries import Change, Key

_MARKING_MAX = 2  # statements at the same time: a mail waits for its mark
_PAUSE_S = 0.01  # between batches of results: a result that comes alone does not wait
_LAST_TRIES = 5  # once the service stops
_log = structlog.get_logger()


class Marker:
    """Asks for rows to be marked, many askers in one statement.

    Args:
        write: Marks rows in one transaction and returns those that were ours.
    """

    def __init__(self, write: Callable[[Sequence[Key]], Awaitable[set[Key]]]) -> None:
        self._write = write
        self._asked: dict[Key, asyncio.Future[bool]] = {}
        self._writing: set[asyncio.Task[None]] = set()

    async def mark(self, key: Key) -> bool:
        """Mark the row and return whether it was still ours.

        Raises:
            Unavailable: The database is away; the row may be marked all the same.
        """
        future: asyncio.Future[bool] = asyncio.get_running_loop().create_future()
        self._asked[key] = future
        if len(self._writing) < _MARKING_MAX:
            writing = asyncio.create_task(self._write_asked())
            self._writing.add(writing)
            writing.add_done_callback(self._writing.discard)
        return await future

    async def _write_asked(self) -> None:
        while self._asked:
            asked, self._asked = self._asked, {}
            await self._write_batch(asked)

    async def _write_batch(self, asked: dict[Key, asyncio.Future[bool]]) -> None:
        try:
            ours = await self._write(list(asked))
        except BaseException as error:
            for future in asked.values():
                if not future.done():
                    future.set_exception(error)
            if not isinstance(error, Unavailable):
                raise
            return
        for key, future in asked.items():
            if not future.done():
                future.set_result(key in ours)


class Recorder:
    """Takes results from many tasks and writes them, however often it takes.

    Args:
        write: Writes changes in one transaction.
        on_tried: Told after every batch why it was not written, or None, to report health.
        backoff: Delays between the tries.
    """

    def __init__(
        self,
        write: Callable[[Sequence[Change]], Awaitable[object]],
        *,
        on_tried: Callable[[Unavailable | None], None] = lambda _: None,
        backoff: Backoff | None = None,
    ) -> None:
        self._write = write
        self._on_tried = on_tried
        self._backoff = backoff or Backoff(cap_s=5.0)
        self._changes: dict[Key, Change] = {}
        self._gathered = asyncio.Event()
        self._is_closed = False

    def put(self, change: Change) -> None:
        """Have the change written as soon as possible, in place of an earlier one of its row."""
        self._changes[change.key] = change
        self._gathered.set()

    def close(self) -> None:
        """Have `run` return once everything is written; nothing may be put after this."""
        self._is_closed = True
        self._gathered.set()

    async def run(self) -> None:
        """Write until closed; the database is waited for, after that for a few tries only."""
        tries_left = _LAST_TRIES
        while self._changes or not self._is_closed:
            await self._gathered.wait()
            self._gathered.clear()
            error = await self._write_gathered()
            self._on_tried(error)
            if error is None:
                self._backoff.reset()
                await asyncio.sleep(_PAUSE_S)
                continue
            tries_left -= self._is_closed
            if not tries_left:
                _log.error("results lost", action="record", deliveries=len(self._changes))
                return
            await asyncio.sleep(self._backoff.next_s())

    async def _write_gathered(self) -> Unavailable | None:
        changes, self._changes = self._changes, {}
        if not changes:
            return None
        try:
            await self._write(list(changes.values()))
        except Unavailable as error:
            self._changes = changes | self._changes
            self._gathered.set()
            return error
        return None
