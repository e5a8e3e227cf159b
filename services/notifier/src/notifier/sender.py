"""From claimed deliveries to the mail server, several at a time, and the results back."""

import asyncio
import logging
from dataclasses import dataclass

import structlog
from maskwatch_runtime import lifecycle
from maskwatch_runtime.clock import Clock
from maskwatch_runtime.errors import Unavailable
from maskwatch_runtime.health import Health
from maskwatch_runtime.retry import Backoff, sleep_unless_stopped

from notifier import ending, retries
from notifier.channel import Channel, Outgoing
from notifier.claims import Claimed, Claims, Job
from notifier.connection import NoMailTaken, Withdrawn
from notifier.deliveries import Change, Delivery
from notifier.metrics import Metrics
from notifier.recorder import Marker, Recorder
from notifier.retries import Attempt, Result, State

_POLL_S = 0.5
_AHEAD = 8  # deliveries in hand per connection, so that none waits for the database
_STALLED_S_MIN = 60.0
_log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Rules:
    """How deliveries are tried.

    Attributes:
        connections: Mails under way at the same time.
        smtp_timeout_s: Longest wait for one answer of the server.
        last_mails_s: How long a mail under way has left once the service stops.
        retries: Delays, and repeats of what may have arrived.
    """

    connections: int
    smtp_timeout_s: float
    last_mails_s: float
    retries: retries.Rules


@dataclass(frozen=True, slots=True)
class Instruments:
    """What the sender reads the time from and reports to."""

    metrics: Metrics
    health: Health
    clock: Clock


class Sender:
    """Delivers what is due.

    A row is claimed ahead, then marked as being sent before the mail's data leaves: after a crash
    the ledger tells what never began from what may have arrived.
    """

    def __init__(
        self, claims: Claims, channel: Channel, *, rules: Rules, instruments: Instruments
    ) -> None:
        self._claims = claims
        self._channel = channel
        self._rules = rules
        self._metrics = instruments.metrics
        self._health = instruments.health
        self._clock = instruments.clock
        self._progress = self._health.track(
            "sender", stalled_after_s=max(_STALLED_S_MIN, 4 * rules.smtp_timeout_s)
        )
        self._marker = Marker(claims.mark_sending)
        self._recorder = Recorder(claims.record, on_tried=self._report_ledger)
        self._jobs: asyncio.Queue[Job | None] = asyncio.Queue()
        self._in_hand = 0
        self._limits: list[asyncio.Timeout] = []  # of the workers
        self._wake = asyncio.Event()
        self._backoff = Backoff(cap_s=30.0)
        self._down: Unavailable | None = None
        self._report_server(Unavailable("smtp", "not connected yet"))

    def wake(self) -> None:
        """Say that there may be something due."""
        self._wake.set()

    async def run(self, stop: asyncio.Event) -> None:
        """Deliver until `stop` is set, then finish the mails under way and give back the rest."""
        workers = (self._work(stop) for _ in range(self._rules.connections))
        await lifecycle.supervise(
            stop, self._feed(stop), self._recorder.run(), self._channel.watch(stop), *workers
        )

    # --- feeding the workers ---

    async def _feed(self, stop: asyncio.Event) -> None:
        try:
            while not stop.is_set():
                try:
                    await self._feed_while_up(stop)
                except Unavailable as error:
                    await self._wait(error, stop)
        except ending.CutShortError:
            pass
        finally:
            self._give_back_queue()
            end_s = asyncio.get_running_loop().time() + self._rules.last_mails_s
            for limit in self._limits:
                limit.reschedule(end_s)
            for _ in range(self._rules.connections):
                self._jobs.put_nowait(None)

    async def _feed_while_up(self, stop: asyncio.Event) -> None:
        await ending.unless_stopped(self._channel.verify(), stop=stop)
        # After NoMailTaken only a mail can tell whether the server has changed its mind.
        if not isinstance(self._down, NoMailTaken):
            self._report_server(None)
        self._down = None
        while not stop.is_set():
            self._wake.clear()
            if not await self._take():
                await self._channel.close_idle()
                await self._idle(stop)
            if self._down is not None:
                raise self._down

    async def _take(self) -> bool:
        """Put what is due into the queue, up to the room that is there; return whether it was."""
        room = _AHEAD * self._rules.connections - self._in_hand
        if 2 * room < _AHEAD * self._rules.connections:
            return False
        groups = await self._claims.take(limit=room)
        lost = [] if groups else await self._claims.take_over(limit=room)
        self._health.present("postgres")
        self._hold(sum(len(one.deliveries) for one in groups) + len(lost))
        for delivery in lost:
            self._settle(delivery, Attempt(Result.UNKNOWN, "its sender ended while sending"))
        for claimed in groups:
            self._queue(claimed)
            # Composing keeps the processor busy: the mails under way have their turn.
            await asyncio.sleep(0)
        return bool(groups)

    def _queue(self, claimed: Claimed) -> None:
        if claimed.told is None:
            for delivery in claimed.deliveries:
                reason = "what it would tell is no longer in the archive"
                self._put(Change(delivery.key, State.WITHDRAWN, None, reason))
        if claimed.wait_s:
            for delivery in claimed.deliveries:
                self._give_back(delivery, claimed.wait_s, "its picture is not in the archive yet")
            return
        for job in self._claims.jobs(claimed):
            self._jobs.put_nowait(job)

    async def _idle(self, stop: asyncio.Event) -> None:
        tasks = {asyncio.create_task(one.wait()) for one in (self._wake, stop)}
        await asyncio.wait(tasks, timeout=_POLL_S, return_when=asyncio.FIRST_COMPLETED)
        for task in tasks:
            task.cancel()

    async def _wait(self, error: Unavailable, stop: asyncio.Event) -> None:
        self._progress.made()
        if error.dependency == "smtp":
            self._down = error
            self._report_server(error)
            self._give_back_queue()
        else:
            self._report_ledger(error)
        delay_s = self._backoff.next_s()
        _log.warning(
            "waiting for a dependency",
            action="send",
            dependency=error.dependency,
            reason=error.reason,
            delay_s=round(delay_s, 2),
        )
        await sleep_unless_stopped(delay_s, stop=stop)

    def _give_back_queue(self) -> None:
        while not self._jobs.empty():
            job = self._jobs.get_nowait()
            if job is not None:
                self._give_back(job.delivery)

    # --- the workers ---

    async def _work(self, stop: asyncio.Event) -> None:
        try:
            async with asyncio.timeout(None) as limit:
                self._limits.append(limit)
                await self._work_off(stop)
        except TimeoutError:
            # Nothing is written: the ledger knows whether the mail's data had left.
            _log.warning("a mail under way was given up", action="stop")
        finally:
            self._limits.remove(limit)
            if not self._limits:
                await self._channel.close()
                self._recorder.close()

    async def _work_off(self, stop: asyncio.Event) -> None:
        backoff = Backoff(cap_s=30.0)
        while (job := await self._jobs.get()) is not None:
            self._progress.waits()
            try:
                await self._deliver(job)
                backoff.reset()
            except Unavailable as error:
                self._give_back(job.delivery)
                await self._step_back(error, backoff, stop)
            self._progress.made()

    async def _deliver(self, job: Job) -> None:
        try:
            with self._metrics.send_seconds.time():
                attempt = await self._channel.send(
                    Outgoing(job.mail, job.delivery.attempts),
                    before_data=lambda: self._marker.mark(job.delivery.key),
                )
        except Withdrawn:
            # Another replica has claimed it meanwhile.
            self._hold(-1)
        else:
            self._settle(job.delivery, attempt)

    async def _step_back(self, error: Unavailable, backoff: Backoff, stop: asyncio.Event) -> None:
        """Tell the feed that the server is away, unless other connections still work."""
        is_down = isinstance(error, NoMailTaken) or not self._channel.is_connected
        if error.dependency == "smtp" and is_down:
            self._down = error
            self.wake()
        else:
            await sleep_unless_stopped(backoff.next_s(), stop=stop)

    # --- results ---

    def _settle(self, delivery: Delivery, attempt: Attempt) -> None:
        if attempt.result is not Result.UNKNOWN:
            self._report_server(None)
        step = retries.after(
            attempt,
            attempts=delivery.attempts,
            unknowns=delivery.unknowns,
            is_past_deadline=delivery.is_past_deadline,
            rules=self._rules.retries,
        )
        is_sent = step.state is State.SENT
        if is_sent:
            waited_s = (self._clock.now() - delivery.due_at).total_seconds()
            self._metrics.delay_seconds.observe(max(0.0, waited_s))
        _log.log(
            logging.INFO if is_sent else logging.WARNING,
            "mail",
            action="deliver",
            recipient=delivery.recipient,
            state=step.state,
            reason=step.reason,
            message_id=delivery.message_id,
            **{f"{delivery.subject.kind}_id": delivery.subject.id},
        )
        unknowns = int(attempt.result is Result.UNKNOWN)
        self._put(Change(delivery.key, step.state, step.delay_s, step.reason, 1, unknowns))

    def _put(self, change: Change) -> None:
        self._metrics.deliveries.labels(change.state).inc()
        self._recorder.put(change)
        self._hold(-1)

    def _give_back(self, delivery: Delivery, delay_s: float = 0.0, reason: str = "") -> None:
        """Nothing came of it, and nothing is held against it."""
        state = State.DEFERRED if delivery.attempts else State.PENDING
        self._recorder.put(Change(delivery.key, state, delay_s, reason))
        self._hold(-1)

    def _hold(self, count: int) -> None:
        self._in_hand += count
        self._metrics.in_hand.set(self._in_hand)
        if count < 0 and 2 * self._in_hand <= _AHEAD * self._rules.connections:
            self.wake()

    def _report_server(self, error: Unavailable | None) -> None:
        self._metrics.smtp_up.set(error is None)
        if error is None:
            self._backoff.reset()
        self._report("smtp", error)

    def _report_ledger(self, error: Unavailable | None) -> None:
        self._report("postgres", error)

    def _report(self, dependency: str, error: Unavailable | None) -> None:
        if error is None:
            self._health.present(dependency)
        else:
            self._health.missing(dependency, error.reason)
