"""Batches prepared ahead of the training, on a thread of their own."""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable
from typing import Generic, Self, TypeVar

_WAITING = 3  # batches prepared ahead
_POLL_S = 0.5

Item = TypeVar("Item")


class Feed(Generic[Item]):
    """Calls `prepare` ahead of `take`; use as a context manager."""

    def __init__(self, prepare: Callable[[], Item]) -> None:
        self._prepare = prepare
        self._ready: queue.Queue[Item | BaseException] = queue.Queue(_WAITING)
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._fill, name="feed", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stopped.set()
        self._thread.join()

    def take(self) -> Item:
        """Wait for the next item; an error of the preparing thread is raised here."""
        item = self._ready.get()
        if isinstance(item, BaseException):
            raise item
        return item

    def _fill(self) -> None:
        while not self._stopped.is_set():
            item: Item | BaseException
            try:
                item = self._prepare()
            except BaseException as error:  # noqa: BLE001 - handed over to take()
                item = error
            self._offer(item)

    def _offer(self, item: Item | BaseException) -> None:
        while not self._stopped.is_set():
            try:
                self._ready.put(item, timeout=_POLL_S)
            except queue.Full:
                continue
            return
