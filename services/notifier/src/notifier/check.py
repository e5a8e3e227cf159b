"""One mail to every recipient, to check the set-up; nothing is written down."""

import uuid

from maskwatch_runtime import lifecycle
from maskwatch_runtime.clock import SystemClock
from maskwatch_runtime.errors import Unavailable

from notifier import compose
from notifier.alerts import Alert
from notifier.compose import Composer
from notifier.mailer import Mailer
from notifier.retries import Attempt, Result
from notifier.settings import CheckSettings
from notifier.wording import Further

_NOTE = "This is a test mail. Nobody was seen; Maskwatch can reach you."


async def send(settings: CheckSettings) -> int:
    """Send, say on standard output what became of each mail, and return the exit code.

    Returns:
        0 when the server has accepted every mail, else 75.
    """
    clock = SystemClock()
    mailer, composer = Mailer(settings, clock), Composer(settings)
    now = clock.now()
    alert = Alert(
        id=0, event_id=str(uuid.uuid4()), event_time=now, device_id="test", camera="Test camera"
    )
    body = composer.body(alert, Further(), note=_NOTE)
    is_good = True
    for recipient in settings.recipients:
        delivery = compose.sample_delivery(alert, recipient, now=now, domain=settings.sender.domain)
        try:
            attempt = await mailer.send(composer.mail(body, delivery), before_data=_without_ledger)
        except Unavailable as error:
            attempt = Attempt(Result.REFUSED_FOR_NOW, str(error))
        is_good &= attempt.result is Result.ACCEPTED
        print(f"{recipient.address}: {attempt.result} {attempt.reason}".rstrip())  # noqa: T201 - a person asked
    await mailer.close()
    return 0 if is_good else lifecycle.EX_TEMPFAIL


async def _without_ledger() -> bool:
    return True
