"""Who is mailed, and who has been told enough: the cool-down per camera."""

from dataclasses import dataclass, replace
from datetime import datetime, timedelta


@dataclass(frozen=True, slots=True)
class Rules:
    """How long a camera is quiet.

    Attributes:
        cooldown: Counted from the last mail sent; zero turns it off.
        deadline: How long a mail may be on its way; after that it silences its camera no more.
    """

    cooldown: timedelta
    deadline: timedelta


@dataclass(frozen=True, slots=True)
class CameraState:
    """What is remembered of a camera.

    Attributes:
        last_sent_at: When the last mail about it was sent.
        open_alert_id: The alert whose mail is on its way, and `open_until` at the latest.
        suppressed: Alerts that no mail has named yet; the first of them was seen at
            `suppressed_since`.
    """

    last_sent_at: datetime | None = None
    open_alert_id: int | None = None
    open_until: datetime | None = None
    suppressed: int = 0
    suppressed_since: datetime | None = None


@dataclass(frozen=True, slots=True)
class Verdict:
    """Whether an alert is mailed, the earlier ones that its mail names, and what follows."""

    is_mailed: bool
    further: int
    further_since: datetime | None
    after: CameraState


def judge(
    camera: CameraState, *, alert_id: int, event_time: datetime, now: datetime, rules: Rules
) -> Verdict:
    """Return what becomes of one alert of this camera.

    While a mail is on its way, later alerts wait to be named in the next one: an outage of the
    mail server does not end in a heap of mails.
    """
    steadied = _steadied(camera, now=now, rules=rules)
    if _is_quiet(steadied, now=now, rules=rules):
        first_at = min(filter(None, (steadied.suppressed_since, event_time)))
        after = replace(steadied, suppressed=steadied.suppressed + 1, suppressed_since=first_at)
        return Verdict(is_mailed=False, further=0, further_since=None, after=after)
    after = CameraState(
        last_sent_at=steadied.last_sent_at,
        open_alert_id=alert_id if rules.cooldown else None,
        open_until=now + rules.deadline if rules.cooldown else None,
    )
    return Verdict(
        is_mailed=True,
        further=steadied.suppressed,
        further_since=steadied.suppressed_since,
        after=after,
    )


def _steadied(camera: CameraState, *, now: datetime, rules: Rules) -> CameraState:
    """Bring moments that a clock set back has left in the future to where they can be at most."""
    last_sent_at, open_until = camera.last_sent_at, camera.open_until
    return replace(
        camera,
        last_sent_at=last_sent_at and min(last_sent_at, now),
        open_until=open_until and min(open_until, now + rules.deadline),
    )


def _is_quiet(camera: CameraState, *, now: datetime, rules: Rules) -> bool:
    if not rules.cooldown:
        return False
    if camera.open_until is not None and now < camera.open_until:
        return True
    return camera.last_sent_at is not None and now - camera.last_sent_at < rules.cooldown
