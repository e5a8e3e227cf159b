"""When a mail about cameras leaves, and what it tells: one open mail a device gathers changes."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

_HOUR = timedelta(hours=1)


@dataclass(frozen=True, slots=True)
class Rules:
    """How many mails there may be.

    Attributes:
        group_wait: How long the first change of a device waits for others, which are then told in
            the same mail: a switch that fails takes all its cameras along.
        per_hour: Mails that one camera can begin in any hour; at least 1. What it does beyond that
            is told in the next.
        deadline: How long a mail may be on its way once it may leave.
    """

    group_wait: timedelta
    per_hour: int
    deadline: timedelta


@dataclass(frozen=True, slots=True)
class OpenMail:
    """A mail nobody has been sent yet, so that it can still tell more; `id` is its first event."""

    id: int
    due_at: datetime


@dataclass(frozen=True, slots=True)
class DeviceState:
    """What is remembered of a device.

    Attributes:
        open: The mail that gathers changes; None when there is none.
        due: For each camera, the mails of the last hour that told of it: when each was due, by id.
    """

    open: OpenMail | None
    due: Mapping[str, Mapping[int, datetime]]


@dataclass(frozen=True, slots=True)
class Verdict:
    """The mail that tells of a change, whether it begins with it, and what follows."""

    mail: OpenMail
    is_new: bool
    after: DeviceState


def judge(
    device: DeviceState, *, event_id: int, camera: str, now: datetime, rules: Rules
) -> Verdict:
    """Return which mail tells that this camera went down or came back.

    A change is never dropped: when its camera has had its mails, it waits in the open one, and
    what the camera does meanwhile joins it. So the last mail tells how things stand.
    """
    due_at = _due_at(device, camera=camera, now=now, rules=rules)
    is_new = device.open is None
    opened = device.open or OpenMail(event_id, due_at)
    # A camera that has been quiet does not wait for one that has not.
    mail = replace(opened, due_at=min(opened.due_at, due_at))
    named = {**device.due.get(camera, {}), mail.id: mail.due_at}
    due = {
        name: {number: mail.due_at if number == mail.id else at for number, at in mails.items()}
        for name, mails in {**device.due, camera: named}.items()
    }
    return Verdict(mail, is_new, DeviceState(open=mail, due=due))


def _due_at(device: DeviceState, *, camera: str, now: datetime, rules: Rules) -> datetime:
    open_id = device.open.id if device.open else None
    # A clock set back has left moments in the future: they count as now.
    told_at = sorted(
        min(at, now)
        for number, at in device.due.get(camera, {}).items()
        if number != open_id and at > now - _HOUR
    )
    soon = now + rules.group_wait
    if len(told_at) < rules.per_hour:
        return soon
    return max(soon, told_at[-rules.per_hour] + _HOUR)
