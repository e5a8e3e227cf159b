"""Events on their way to a cloud; never in the way of the outbox.

`offer` is called by the spool's thread and returns at once. A task moves what was offered into the
queue's file, another sends it, oldest first.
"""

import asyncio
import threading
from collections import deque

import structlog
from maskwatch_proto.alert import Alert
from maskwatch_proto.device_event import DeviceEvent
from maskwatch_runtime import retry
from maskwatch_runtime.errors import Misconfigured, Unavailable
from maskwatch_runtime.retry import Backoff

from edge_detector.forward import form
from edge_detector.forward.metrics import ForwardMetrics
from edge_detector.forward.queue import Item, Queue
from edge_detector.forward.target import Refused, Target

# In memory only for as long as the file is written to, or cannot be.
_OFFERED_MAX = 1000
_BATCH = 50

_log = structlog.get_logger()


class Forwarder:
    """A queue and its target; made inside the event loop that runs it.

    Args:
        queue: Where events wait.
        target: Where they go.
        metrics: Counts them.
        with_pictures: Whether pictures go along.
        backoff: Delays between tries.
    """

    def __init__(
        self,
        queue: Queue,
        target: Target,
        *,
        metrics: ForwardMetrics,
        with_pictures: bool = False,
        backoff: Backoff | None = None,
    ) -> None:
        self._queue = queue
        self._target = target
        self._metrics = metrics
        self._with_pictures = with_pictures
        self._backoff = backoff or Backoff(initial_s=0.5, cap_s=60.0)
        self._loop = asyncio.get_running_loop()
        self._offered: deque[Alert | DeviceEvent] = deque()
        self._lock = threading.Lock()
        self._is_offered, self._is_waiting = asyncio.Event(), asyncio.Event()
        self._file = asyncio.Lock()

    def offer(self, event: Alert | DeviceEvent) -> None:
        """Take an event over; any thread, never waits."""
        with self._lock:
            self._offered.append(event)
            if len(self._offered) > _OFFERED_MAX:
                self._offered.popleft()
                self._metrics.dropped.labels("lost").inc()
        try:
            self._loop.call_soon_threadsafe(self._is_offered.set)
        except RuntimeError:  # the loop has ended
            self._metrics.dropped.labels("lost").inc()

    async def run(self, stop: asyncio.Event) -> None:
        """Forward until `stop` is set; what waits then is in the file for the next run."""
        await asyncio.to_thread(self._queue.open)
        self._is_waiting.set()
        sending = asyncio.create_task(self._send(stop))
        try:
            await self._keep(stop)
            await sending
        finally:
            sending.cancel()
            await self._target.close()
            self._queue.close()

    async def _keep(self, stop: asyncio.Event) -> None:
        stopping = asyncio.create_task(stop.wait())
        while not stop.is_set():
            offering = asyncio.create_task(self._is_offered.wait())
            await asyncio.wait({offering, stopping}, return_when=asyncio.FIRST_COMPLETED)
            offering.cancel()
            self._is_offered.clear()
            if not await self._store():
                await retry.sleep_unless_stopped(1.0, stop=stop)
                self._is_offered.set()

    async def _store(self) -> bool:
        """Move what was offered into the file; return whether that worked."""
        with self._lock:
            events = list(self._offered)
            self._offered.clear()
        items = [self._item(event) for event in events]
        try:
            async with self._file:
                dropped = await asyncio.to_thread(self._queue.append, items)
                self._metrics.waiting.set(await asyncio.to_thread(self._queue.count))
        except (Unavailable, Misconfigured) as error:
            _log.error("not queued to be forwarded", action="forward", reason=str(error))
            with self._lock:
                self._offered.extendleft(reversed(events))
            return False
        if dropped:
            self._metrics.dropped.labels("full").inc(dropped)
            _log.error("the oldest are not forwarded", action="forward", dropped=dropped)
        self._is_waiting.set()
        return True

    async def _send(self, stop: asyncio.Event) -> None:
        stopping = asyncio.create_task(stop.wait())
        while not stop.is_set():
            waiting = asyncio.create_task(self._is_waiting.wait())
            await asyncio.wait({waiting, stopping}, return_when=asyncio.FIRST_COMPLETED)
            waiting.cancel()
            self._is_waiting.clear()
            try:
                while not stop.is_set() and await self._send_some(stop):
                    pass
            except (Unavailable, Misconfigured) as error:
                self._failed(error)
                await retry.sleep_unless_stopped(self._backoff.next_s(), stop=stop)
                self._is_waiting.set()

    async def _send_some(self, stop: asyncio.Event) -> bool:
        """Send the oldest; return whether there were any."""
        async with self._file:
            items = await asyncio.to_thread(self._queue.head, _BATCH)
        for item in items:
            if stop.is_set():
                break
            try:
                await self._target.send(item)
                self._metrics.forwarded.inc()
            except Refused as error:
                self._metrics.dropped.labels("refused").inc()
                _log.error(
                    "event refused by the other side",
                    action="forward",
                    event_id=str(item.event_id),
                    reason=str(error),
                )
            self._backoff.reset()
            async with self._file:
                await asyncio.to_thread(self._queue.remove, item.position)
                self._metrics.waiting.set(await asyncio.to_thread(self._queue.count))
        return bool(items)

    def _failed(self, error: Unavailable | Misconfigured) -> None:
        self._metrics.failures.inc()
        _log.warning("not forwarded yet", action="forward", reason=str(error))

    def _item(self, event: Alert | DeviceEvent) -> Item:
        body = form.encode(event, with_picture=self._with_pictures)
        return Item(event.event_id, form.kind(event), event.device.guid, body)
