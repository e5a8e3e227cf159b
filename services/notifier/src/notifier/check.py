"""One mail to every recipient, to check the set-up; nothing is written down."""

import uuid

from maskwatch_runtime import lifecycle
from maskwatch_runtime.clock import SystemClock
from maskwatch_runtime.errors import Unavailable

from notifier import compose
from notifier.alerts import Alert
from notifier.compose import Composer
from notifier.connection import Mail
from notifier.mailer import Mailer
from notifier.retries import Attempt, Result
from notifier.settings import CheckSettings
from notifier.wording import Further

_NOTE = "This is a test mail. Nobody was seen; Maskwatch can reach you."


async def send(settings: CheckSettings) -> int:
    """Send by each server, say on standard output what became of each mail, return the exit code.

    Returns:
        0 when the server has accepted every mail, else 75.
    """
    clock = SystemClock()
    composer, now = Composer(settings), clock.now()
    alert = Alert(
        id=0, event_id=str(uuid.uuid4()), event_time=now, device_id="test", camera="Test camera"
    )
    body = composer.body(alert, Further(), note=_NOTE)
    is_good = True
    for server in settings.smtp_servers:
        mailer = Mailer(server, clock, connections=1)
        for recipient in settings.recipients:
            domain = settings.sender.domain
            delivery = compose.sample_delivery(alert, recipient, now=now, domain=domain)
            attempt = await _try(mailer, composer.mail(body, delivery))
            is_good &= attempt.result is Result.ACCEPTED
            which = f" by {server.address}" if len(settings.smtp_servers) > 1 else ""
            print(f"{recipient.address}{which}: {attempt.result} {attempt.reason}".rstrip())  # noqa: T201 - a person asked
        await mailer.close()
    return 0 if is_good else lifecycle.EX_TEMPFAIL


async def _try(mailer: Mailer, mail: Mail) -> Attempt:
    try:
        return await mailer.send(mail, before_data=_without_ledger)
    except Unavailable as error:
        return Attempt(Result.REFUSED_FOR_NOW, str(error))


async def _without_ledger() -> bool:
    return True
