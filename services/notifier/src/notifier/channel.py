"""The way that mails leave: by the first server, or by the fallback while that one is away."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass

import structlog
from maskwatch_runtime.errors import Unavailable
from maskwatch_runtime.health import Health
from maskwatch_runtime.retry import Backoff, sleep_unless_stopped

from notifier import ending
from notifier.connection import BeforeData, Mail, NoMailTaken
from notifier.mailer import Mailer
from notifier.metrics import Metrics
from notifier.retries import Attempt, Result

_LOOK_S = 0.5
_PART = "smtp"
_log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Outgoing:
    """A mail, and how many tries of it have come to something before."""

    mail: Mail
    attempts: int


class Channel:
    """One or two servers as one; without a fallback it is the first server.

    The first is left at once when it does not let us in or takes no mail of ours, and looked after
    until it does again. What one of them refuses for now is tried at the other the next time.

    Args:
        mailers: Of the first server and, if there is one, of the fallback.
        health: Told that the service is degraded while mails leave by the fallback.
        metrics: Shows the same.
        backoff: Delays between looks at a first server that is away.
    """

    def __init__(
        self,
        mailers: Sequence[Mailer],
        *,
        health: Health,
        metrics: Metrics,
        backoff: Backoff | None = None,
    ) -> None:
        self._first, *others = mailers
        self._fallback = others[0] if others else None
        self._health = health
        self._metrics = metrics
        self._backoff = backoff or Backoff(cap_s=30.0)
        self._away: Unavailable | None = None
        # Told until the first takes a mail, also while it is tried again.
        self._is_degraded = False

    @property
    def is_connected(self) -> bool:
        """Whether any connection is open, to either."""
        return any(one.is_connected for one in self._mailers())

    async def verify(self) -> None:
        """Make sure that one of the servers lets us in.

        Raises:
            Unavailable: None does; the reason says what to look at.
        """
        if self._away is None or self._fallback is None:
            try:
                await self._first.verify()
            except Unavailable as error:
                if self._fallback is None:
                    raise
                self._leave(error)
            else:
                return
        try:
            await self._fallback.verify()
        except Unavailable as error:
            raise self._with_first(error) from error

    async def send(self, outgoing: Outgoing, *, before_data: BeforeData) -> Attempt:
        """Hand the mail to a server and return what it said; see `Mailer.send`."""
        mail, fallback = outgoing.mail, self._fallback
        if fallback is None:
            return await self._first.send(mail, before_data=before_data)
        is_other_due = outgoing.attempts % 2 == 1
        if self._away is None and not is_other_due:
            try:
                return await self._send_by_first(mail, before_data)
            except Unavailable as error:
                _raise_unless_smtp(error)
                self._leave(error)
        try:
            return await fallback.send(mail, before_data=before_data)
        except Unavailable as error:
            _raise_unless_smtp(error)
            if self._away is not None:
                raise self._with_first(error) from error
        return await self._send_by_first(mail, before_data)

    async def _send_by_first(self, mail: Mail, before_data: BeforeData) -> Attempt:
        attempt = await self._first.send(mail, before_data=before_data)
        if attempt.result is not Result.UNKNOWN:
            self._return()
        return attempt

    async def watch(self, stop: asyncio.Event) -> None:
        """Look after a first server that is away, until `stop` is set."""
        while not stop.is_set():
            if self._away is None:
                await sleep_unless_stopped(_LOOK_S, stop=stop)
            elif not await sleep_unless_stopped(self._backoff.next_s(), stop=stop):
                await self._look(stop)

    async def _look(self, stop: asyncio.Event) -> None:
        try:
            await ending.unless_stopped(self._first.verify(), stop=stop)
        except Unavailable as error:
            self._leave(error)
        except ending.CutShortError:
            return
        else:
            # After NoMailTaken only a mail can tell whether it has changed its mind.
            if isinstance(self._away, NoMailTaken):
                self._away = None
            else:
                self._return()

    async def close_idle(self) -> None:
        """Take leave of the connections that have not been used for long."""
        for mailer in self._mailers():
            await mailer.close_idle()

    async def close(self) -> None:
        """Take leave of every connection that is not in use."""
        for mailer in self._mailers():
            await mailer.close()

    def _mailers(self) -> list[Mailer]:
        return [one for one in (self._first, self._fallback) if one is not None]

    def _leave(self, error: Unavailable) -> None:
        if not self._is_degraded:
            _log.warning("mails leave by the fallback", action="send", reason=error.reason)
        self._away, self._is_degraded = error, True
        self._health.degraded(_PART, f"mails leave by the fallback: {error.reason}")
        self._metrics.smtp_fallback.set(1)

    def _return(self) -> None:
        if self._is_degraded:
            _log.info("mails leave by the first server again", action="send")
        self._away, self._is_degraded = None, False
        self._backoff.reset()
        self._health.restored(_PART)
        self._metrics.smtp_fallback.set(0)

    def _with_first(self, error: Unavailable) -> Unavailable:
        first = self._away.reason if self._away else ""
        return type(error)(_PART, f"{first}; fallback: {error.reason}")


def _raise_unless_smtp(error: Unavailable) -> None:
    """The ledger, asked before a mail's data, may be away too: no server can help."""
    if error.dependency != _PART:
        raise error
